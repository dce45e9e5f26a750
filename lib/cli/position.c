/* position.c - the positions that push gives to records, so that it can be killed and started again: it asks what the
 * segment has accepted of its source, and goes on behind that. */
#include "position.h"

#include <conveyor/progress.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "lines.h"
#include "text.h"
#include "word.h"

bool cli_position_parse(const char *name, enum cli_position_kind *kind)
{
    *kind = !name ? CLI_NO_POSITION : strcmp(name, "bytes") ? CLI_POSITION_LINES : CLI_POSITION_BYTES;
    return !name || *kind == CLI_POSITION_BYTES || !strcmp(name, "lines");
}

/* The input cannot be the one that was pushed before. */
static int another_input(const struct cli_position *p, const char *what, uint64_t number)
{
    cli_complain("the input %s %llu, but source '%s' of segment '%s' has been accepted up to position %llu: give the "
                 "same input and --position as before, or another --source",
                 what, (unsigned long long)number, p->source_name, p->segment, (unsigned long long)p->accepted);
    return CLI_FAILED;
}

/* True if a record ends at this offset of the file, as far as one byte tells. */
static bool ends_at(const struct cli_lines *lines, uint64_t offset)
{
    char byte;
    return lines->prefixed || (pread(lines->fd, &byte, 1, (off_t)offset - 1) == 1 && byte == lines->end_byte);
}

/* Goes on in the file behind the byte that was accepted last. The last line of a file may have no end. */
static int seek(const struct cli_position *p, struct cli_lines *lines, uint64_t size)
{
    const off_t now = lseek(lines->fd, 0, SEEK_CUR);
    lines->offset = now > 0 ? (uint64_t)now : 0;
    if (p->accepted <= lines->offset)
        return 0;
    if (p->accepted > size)
        return another_input(p, "ends at byte", size);
    if (p->accepted < size && !ends_at(lines, p->accepted))
        return another_input(p, "has no record that ends at byte", p->accepted);
    if (lseek(lines->fd, (off_t)p->accepted, SEEK_SET) < 0)
        return another_input(p, "cannot be moved to byte", p->accepted);
    lines->offset = p->accepted;
    return 0;
}

int cli_position_open(struct cli_position *p, struct cvb_handle *handle, uint32_t source, struct cli_lines *lines)
{
    struct stat status;
    char word[CLI_WORD_BYTES];
    int error = p->kind == CLI_NO_POSITION ? 0 : cvb_source_open(handle, source, &p->accepted);
    if (error == CVB_EBUSY) {
        cli_complain("another process puts records with positions of source '%s' into segment '%s', and lives: wait "
                     "until it has ended ('conveyor stat %s' shows who is there), or give another --source",
                     p->source_name, p->segment, cli_segment_word(p->segment, word));
        return CLI_FAILED;
    }
    if (error)
        return cli_segment_failed(p->segment, error);
    p->file = !fstat(lines->fd, &status) && S_ISREG(status.st_mode);
    if (p->kind == CLI_POSITION_BYTES && p->file)
        return seek(p, lines, (uint64_t)status.st_size);
    if (!p->file)
        lines->number = lines->offset = p->accepted;
    return 0;
}

uint64_t cli_position_of(const struct cli_position *p, const struct cli_lines *lines)
{
    return p->kind == CLI_POSITION_LINES ? lines->number : p->kind == CLI_POSITION_BYTES ? lines->offset : 0;
}

bool cli_position_is_in(const struct cli_position *p, uint64_t position) { return position && position <= p->accepted; }

int cli_position_end(const struct cli_position *p, const struct cli_lines *lines)
{
    if (p->kind == CLI_POSITION_LINES && lines->number < p->accepted)
        return another_input(p, "ends with line", lines->number);
    return 0;
}
