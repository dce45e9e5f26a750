/* table.h - a snapshot as aligned text. */
#ifndef CONVEYOR_CLI_TABLE_H
#define CONVEYOR_CLI_TABLE_H

#include "snapshot.h"

/* Writes on standard output. */
void cli_table_print(const char *segment, const struct cli_snapshot *s);

#endif
