/* flow_read.c - a stage's flow out of a file. Nothing in it is trusted. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "flow.h"
#include "options.h"

enum { LINE = 200 }; /* longer than any line that 'record' writes before a payload */

/* A line without its newline. */
static enum cli_flow line(struct cli_flow_reader *r, char text[LINE])
{
    errno = 0;
    if (!fgets(text, LINE, r->file))
        return ferror(r->file) ? CLI_FLOW_FAILED : CLI_FLOW_END;
    char *end = strchr(text, '\n');
    if (!end)
        return !feof(r->file) ? CLI_FLOW_WRONG : ferror(r->file) ? CLI_FLOW_FAILED : CLI_FLOW_CUT;
    *end = 0;
    return CLI_FLOW_OK;
}

/* The next of the fields that tabs part; "" if there is none. */
static const char *field(char **rest)
{
    const char *text = strsep(rest, "\t");
    return text ? text : "";
}

static bool copy_name(const char *text, char name[CVB_NAME_MAX + 1])
{
    size_t n = strlen(text);
    if (!n || n > CVB_NAME_MAX)
        return false;
    memcpy(name, text, n + 1);
    return true;
}

enum cli_flow cli_flow_open(struct cli_flow_reader *r, const char *path)
{
    char text[LINE], *rest = text;
    *r = (struct cli_flow_reader){.file = strcmp(path, "-") ? fopen(path, "re") : stdin};
    if (!r->file)
        return CLI_FLOW_FAILED;
    enum cli_flow found = line(r, text);
    if (found == CLI_FLOW_FAILED)
        return found;
    bool good = found == CLI_FLOW_OK && !strcmp(field(&rest), "conveyor-flow 1") && copy_name(field(&rest), r->stage);
    return good && !rest ? CLI_FLOW_OK : CLI_FLOW_WRONG;
}

enum cli_flow cli_flow_next(struct cli_flow_reader *r, struct cli_flow_record *record)
{
    char text[LINE], *rest = text;
    uint64_t length = 0, header_length = 0;
    r->number++;
    enum cli_flow found = line(r, text);
    if (found != CLI_FLOW_OK)
        return found;
    bool good = cli_whole(field(&rest), 0, UINT64_MAX / 1000, &record->time_us) &&
                cli_whole(field(&rest), 0, UINT32_MAX, &length) && copy_name(field(&rest), record->source) &&
                copy_name(field(&rest), record->pipeline);
    record->position = 0;
    if (good && rest)
        good = cli_whole(field(&rest), 0, UINT32_MAX, &header_length) &&
               cli_whole(field(&rest), 0, INT64_MAX, &record->position);
    record->length = (uint32_t)length;
    record->header_length = (uint32_t)header_length;
    return good && !rest ? CLI_FLOW_OK : CLI_FLOW_WRONG;
}

enum cli_flow cli_flow_bytes(struct cli_flow_reader *r, char *bytes, size_t length)
{
    errno = 0;
    size_t n = fread(bytes, 1, length, r->file);
    int end = n == length ? getc(r->file) : EOF;
    if (end == '\n')
        return CLI_FLOW_OK;
    return ferror(r->file) ? CLI_FLOW_FAILED : end == EOF ? CLI_FLOW_CUT : CLI_FLOW_WRONG;
}

void cli_flow_close_reader(struct cli_flow_reader *r)
{
    if (r->file && r->file != stdin)
        fclose(r->file);
}
