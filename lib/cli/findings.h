/* findings.h - what the doctor has to say, sorted into problems and notes. */
#ifndef CONVEYOR_CLI_FINDINGS_H
#define CONVEYOR_CLI_FINDINGS_H

#include <conveyor/crash.h>
#include <stddef.h>

#include "snapshot.h"

enum { CLI_FINDINGS_MOST = 200, CLI_FINDING_BYTES = 320 };

struct cli_findings {
    size_t problems, notes;
    char problem[CLI_FINDINGS_MOST][CLI_FINDING_BYTES];
    char note[CLI_FINDINGS_MOST][CLI_FINDING_BYTES];
};

/* What the doctor has seen. */
struct cli_looks {
    struct cli_snapshot first;  /* before anything was recovered */
    struct cli_snapshot before; /* after it, and a moment before `now`: what did not move has no consumer */
    struct cli_snapshot now;
    bool moment; /* there was one */
    struct cvb_audit audit;
};

/* Sorts what is to be said of it. */
void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cli_looks *looks);

#endif
