/* finding.c - one finding of the doctor, and all of them in their order. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "findings.h"

const char *cli_severity_name(enum cli_severity severity)
{
    static const char *const name[] = {"note", "warning", "problem"};
    return name[severity];
}

struct cli_finding *cli_finding_add(struct cli_findings *f, const char *code, enum cli_severity severity,
                                    const char *kind, const char *name)
{
    static struct cli_finding nowhere; /* out of memory */
    if (f->count == f->room) {
        size_t room = f->room ? 2 * f->room : 16;
        struct cli_finding *more = realloc(f->found, room * sizeof *more);
        if (!more)
            return &nowhere;
        f->found = more;
        f->room = room;
    }
    struct cli_finding *x = &f->found[f->count++];
    *x = (struct cli_finding){.code = code, .severity = severity};
    snprintf(x->subject, sizeof x->subject, "%s%s%s", kind, *name ? " " : "", name);
    f->of[severity]++;
    return x;
}

void cli_finding_tell(struct cli_finding *x, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(x->text, sizeof x->text, format, arguments);
    va_end(arguments);
}

void cli_finding_advise(struct cli_finding *x, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(x->action, sizeof x->action, format, arguments);
    va_end(arguments);
}

void cli_findings_sort(struct cli_findings *f)
{
    size_t n = 0;
    struct cli_finding *sorted = calloc(f->count ? f->count : 1, sizeof *sorted);
    for (int severity = CLI_SEVERITIES; sorted && severity--;)
        for (size_t i = 0; i < f->count; i++)
            if (f->found[i].severity == (enum cli_severity)severity)
                sorted[n++] = f->found[i];
    if (!sorted)
        return; /* they stay as they were found */
    free(f->found);
    f->found = sorted;
    f->room = n;
}

void cli_findings_free(struct cli_findings *f)
{
    free(f->found);
    *f = (struct cli_findings){0};
}
