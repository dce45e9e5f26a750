/* text.c - messages: one clear line for each failure, with what to do about it. */
#include "text.h"

#include <conveyor/segment.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "system.h"
#include "word.h"

static const char *command = "";

void cli_begin(const char *name) { command = name; }

/* True if the second byte of a UTF-8 character may follow the first: it does not where they begin a longer form of a
 * shorter character, half of a pair of UTF-16, what is above the last character, or one more control character. */
static bool may_follow(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xc2:
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second < 0xa0;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second < 0x90;
    default:
        return true;
    }
}

/* How many bytes the UTF-8 character at text has; 0 if there is none. */
static size_t character(const char *text, size_t left)
{
    unsigned char c = (unsigned char)*text;
    size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n > 1 && (left < n || !may_follow(c, (unsigned char)text[1])))
        return 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

void cli_printable(char *text, size_t length)
{
    for (size_t i = 0, n; i < length; i += n ? n : 1) {
        n = character(text + i, length - i);
        if (!n || (unsigned char)text[i] < 32 || text[i] == 127)
            text[i] = '?';
    }
}

void cli_complain(const char *format, ...)
{
    char line[1536];
    int start = snprintf(line, sizeof line, "conveyor%s%s: ", *command ? " " : "", command);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, sizeof line - (size_t)start, format, arguments);
    va_end(arguments);
    size_t n = strnlen(line, sizeof line - 2);
    cli_printable(line, n);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nowhere left to complain */
}

static bool is_command(const char *name) { return !strcmp(command, name); }

/* What to type, for the errors where that names the segment: false for the others. */
static bool advise_command(int error, const char *segment, char *text, size_t size)
{
    char word[CLI_WORD_BYTES];
    cli_segment_word(segment, word);
    if (error == CVB_ENOENT && !is_command("rm"))
        snprintf(text, size, "'conveyor create %s' makes it, 'conveyor list' shows those that are there", word);
    else if (error == CVB_EPERM && is_command("create") && !cli_is_file(segment))
        snprintf(text, size, "this user may not write to /dev/shm");
    else if (error == CVB_EEXIST)
        snprintf(text, size, "choose another name, or remove it with 'conveyor rm %s'", word);
    else if (error == CVB_EVERSION || error == CVB_ELAYOUT)
        snprintf(text, size,
                 "save what is in it with the program that made it ('conveyor record %s --all FILE'), remove it with "
                 "'conveyor rm %s --force', and make it anew",
                 word, word);
    else if (error == CVB_ETRUNCATED)
        snprintf(text, size, "remove it with 'conveyor rm %s --force' and make it anew", word);
    else if (error == CVB_ECORRUPT)
        snprintf(text, size,
                 "stop its processes, save what 'conveyor pull %s --stage NAME' still gives, then 'conveyor rm %s' and "
                 "make it anew",
                 word, word);
    else
        return false;
    return true;
}

static const char *advice(int error)
{
    switch (error) {
    case CVB_ENOENT: /* of rm */
        return "'conveyor list' shows those that are there";
    case CVB_ENOSPC:
        return "make room ('df /dev/shm' shows it), or ask for fewer or smaller records";
    case CVB_EPERM:
        return is_command("rm") ? "only its owner or root can remove it, with --force"
                                : "it belongs to another user: ask them to make it with a wider --mode";
    case CVB_EMAGIC:
        return "something else put that file into /dev/shm";
    case CVB_EHANDLES:
        return "end one of the processes that use it, or make it anew with a larger --max-handles";
    case CVB_ENAMES:
        return "make it anew with a larger --max-stages, --max-sources or --max-pipelines";
    case CVB_ENAME:
        return "give 1 to 200 bytes of UTF-8 without '/' and control characters";
    case CVB_ELOST:
        return "something closed its files: start it again";
    default:
        return NULL;
    }
}

int cli_segment_failed_at(const char *segment, int error, uint64_t bytes)
{
    char text[300], typed[2 * CLI_WORD_BYTES + 200];
    bool told = error == CVB_ESYSTEM || error == CVB_EUNSUPPORTED || error == CVB_EPERM; /* errno says more */
    int reason = told ? errno : 0;
    bool system = told || error == CVB_ENOENT || error == CVB_ENOSPC;
    const char *cause = system ? cli_system_cause(reason, bytes, text, sizeof text) : NULL;
    const char *hint = advise_command(error, segment, typed, sizeof typed) ? typed : advice(error);
    if (error == CVB_ENAME)
        cli_complain("'%s' is not a name for a segment: %s", segment, hint);
    else if (cause)
        cli_complain("segment '%s': %s", segment, cause);
    else if (error == CVB_ESYSTEM && reason == EAGAIN)
        cli_complain("segment '%s': another program has locked its file, 'lslocks' shows which: end it", segment);
    else if (error == CVB_ESYSTEM)
        cli_complain("segment '%s': %s", segment, strerror(reason));
    else if (error == CVB_EUNSUPPORTED)
        cli_complain("segment '%s': this system refuses OFD file locks or MADV_DONTFORK, which a handle needs (%s): "
                     "use Linux 3.15 or later, and allow them in the sandbox (seccomp, gVisor)",
                     segment, strerror(reason));
    else
        cli_complain("segment '%s': %s%s%s", segment, cvb_error_text(error), hint ? ": " : "", hint ? hint : "");
    return error == CVB_ENAME ? CLI_USAGE : CLI_FAILED;
}

int cli_segment_failed(const char *segment, int error) { return cli_segment_failed_at(segment, error, 0); }

static int one_name_too_many(const char *segment, const char *option, const char *kind, const char *name)
{
    char retire[CLI_WORD_BYTES + 80] = "", word[CLI_WORD_BYTES];
    cli_segment_word(segment, word);
    if (!strcmp(kind, "source"))
        snprintf(retire, sizeof retire, "retire one that nobody uses ('conveyor names %s --retire NAME'), ", word);
    cli_complain("--%s '%s': segment '%s' has no room for another %s's name: %suse one that is there, or make it anew "
                 "with a larger --max-%ss",
                 option, name, segment, kind, retire, kind);
    return CLI_FAILED;
}

int cli_name_failed(const char *segment, const char *option, const char *kind, const char *name, int error)
{
    if (error == CVB_ENAME) {
        cli_complain("--%s '%s' is %s", option, name, cvb_error_text(error));
        return CLI_USAGE;
    }
    if (error == CVB_ENAMES)
        return one_name_too_many(segment, option, kind, name);
    return cli_segment_failed(segment, error);
}

int cli_attach(const char *segment, struct cvb_handle **handle)
{
    int error = cvb_attach(segment, handle);
    return error ? cli_segment_failed(segment, error) : 0;
}

int cli_observe(const char *segment, struct cvb_handle **handle)
{
    int error = cvb_observe(segment, handle);
    return error ? cli_segment_failed(segment, error) : 0;
}

int cli_close_output(void)
{
    errno = 0;
    if (!ferror(stdout) && !fflush(stdout))
        return CLI_DONE;
    cli_complain("cannot write to standard output: %s", errno ? strerror(errno) : "an earlier write failed");
    return CLI_FAILED;
}
