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

/* Looks the audit and the snapshot through. `before` is an earlier snapshot, or NULL: what did not move between them
 * has no consumer. */
void cli_findings_collect(struct cli_findings *f, const char *segment, const struct cvb_audit *audit,
                          const struct cli_snapshot *before, const struct cli_snapshot *now);

#endif
