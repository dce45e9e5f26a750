/* findings.h - what the doctor has to say. */
#ifndef CONVEYOR_CLI_FINDINGS_H
#define CONVEYOR_CLI_FINDINGS_H

#include <conveyor/crash.h>
#include <stddef.h>

#include "bridge_file.h"
#include "snapshot.h"

/* A note may be as it should be; a warning is what needs a look, or will be a problem soon; a problem does not go away
 * by itself. */
enum cli_severity { CLI_NOTE, CLI_WARNING, CLI_PROBLEM, CLI_SEVERITIES };

struct cli_finding {
    const char *code; /* for programs; conveyor(1) lists them */
    enum cli_severity severity;
    char subject[96];             /* "stage filter", "process 12", "segment" */
    char text[400], action[1024]; /* action: two commands with the longest names have room */
};

struct cli_findings {
    size_t count, room, of[CLI_SEVERITIES];
    struct cli_finding *found;
};

/* What the doctor has seen. */
struct cli_looks {
    struct cli_snapshot first;  /* before anything was recovered */
    struct cli_snapshot before; /* after it, and a moment before `now`: what did not move stands still */
    struct cli_snapshot now;
    bool moment;                        /* there was one */
    double hung_after, unsettled_after; /* seconds from which on that is a finding */
    struct cvb_audit audit;
    struct cli_bridges bridges;
};

/* Sorts what is to be said of it, problems first; free with cli_findings_free. */
void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cli_looks *looks);
void cli_findings_free(struct cli_findings *f);

/* A further finding, to be filled in by the next two: what it is, and what to do. */
struct cli_finding *cli_finding_add(struct cli_findings *f, const char *code, enum cli_severity severity,
                                    const char *kind, const char *name);
void cli_finding_tell(struct cli_finding *x, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_finding_advise(struct cli_finding *x, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sources whose records with positions stay. `word` is the segment's name as it is typed. */
void cli_findings_of_unsettled(struct cli_findings *f, const char *word, const struct cli_looks *looks);

/* What bridges write about themselves. `word` is the segment's name as it is typed. */
void cli_findings_of_bridges(struct cli_findings *f, const char *word, const struct cli_looks *looks);

/* Problems first, notes last; within each as they were found. */
void cli_findings_sort(struct cli_findings *f);

/* "note", "warning", "problem" */
const char *cli_severity_name(enum cli_severity severity);

#endif
