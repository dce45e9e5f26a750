/* text.c - messages: one clear line for each failure, with what to do about it. */
#include "text.h"

#include <conveyor/segment.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

static const char *command = "";

void cli_begin(const char *name) { command = name; }

void cli_complain(const char *format, ...)
{
    char line[1024];
    int start = snprintf(line, sizeof line, "conveyor%s%s: ", *command ? " " : "", command);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + start, sizeof line - (size_t)start, format, arguments);
    va_end(arguments);
    size_t n = strnlen(line, sizeof line - 2);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)line[i] < 32 || line[i] == 127)
            line[i] = '?';
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, n) < 0)
        return; /* nowhere left to complain */
}

static const char *advice(int error)
{
    switch (error) {
    case CVB_ENOENT:
        return "'conveyor create' makes it, 'conveyor list' shows those that are there";
    case CVB_EEXIST:
        return "choose another name, or remove it with 'conveyor rm'";
    case CVB_ENOSPC:
        return "make room ('df /dev/shm' shows it), or ask for fewer or smaller records";
    case CVB_EPERM:
        return "it belongs to another user: ask them for a wider 'conveyor create --mode'";
    case CVB_ETRUNCATED:
    case CVB_EMAGIC:
    case CVB_EVERSION:
    case CVB_ELAYOUT:
        return "use the program that made it, or remove it with 'conveyor rm' and make it anew";
    case CVB_ECORRUPT:
        return "stop its processes, save what 'conveyor pull' still gives, then 'conveyor rm' and make it anew";
    case CVB_EHANDLES:
        return "end one of the processes that use it, or make it anew with a larger --max-handles";
    case CVB_ENAMES:
        return "make it anew with a larger --max-stages, --max-sources or --max-pipelines";
    case CVB_ENAME:
        return "give 1 to 200 bytes without '/' and control characters";
    default:
        return NULL;
    }
}

int cli_segment_failed(const char *segment, int error)
{
    const char *hint = advice(error);
    if (error == CVB_ENAME)
        cli_complain("'%s' is not a name for a segment: %s", segment, hint);
    else if (error == CVB_ESYSTEM)
        cli_complain("segment '%s': %s", segment, strerror(errno));
    else
        cli_complain("segment '%s': %s%s%s", segment, cvb_error_text(error), hint ? ": " : "", hint ? hint : "");
    return error == CVB_ENAME ? CLI_USAGE : CLI_FAILED;
}

int cli_name_failed(const char *segment, const char *option, const char *kind, const char *name, int error)
{
    if (error == CVB_ENAME) {
        cli_complain("--%s '%s' is %s", option, name, cvb_error_text(error));
        return CLI_USAGE;
    }
    if (error == CVB_ENAMES) {
        cli_complain("--%s '%s': segment '%s' has no room for another %s's name: use one that is there, or make it "
                     "anew with a larger --max-%ss",
                     option, name, segment, kind, kind);
        return CLI_FAILED;
    }
    return cli_segment_failed(segment, error);
}

int cli_attach(const char *segment, struct cvb_handle **handle)
{
    int error = cvb_attach(segment, handle);
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

const char *cli_bytes(uint64_t bytes, char *text, size_t size)
{
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    unsigned i = 0;
    for (; value >= 1024 && i < 4; i++)
        value /= 1024;
    snprintf(text, size, i ? "%.1f %s" : "%.0f %s", value, unit[i]);
    return text;
}
