/* hand.h - signals and holds by hand, in words. */
#ifndef CONVEYOR_CLI_HAND_H
#define CONVEYOR_CLI_HAND_H

#include <conveyor/wait.h>

enum { CLI_GIVEN_BYTES = 192 };

/* "pause", "slow_down (250 ms)", "none" */
const char *cli_given_signal(const struct cvb_given *given, char text[CLI_GIVEN_BYTES]);
/* "pause, by process 12, 3 min ago: the database is away" */
const char *cli_given_text(const struct cvb_given *given, char text[CLI_GIVEN_BYTES]);
/* "by process 12, 3 min ago: the database is away" */
const char *cli_given_by(const struct cvb_given *given, char text[CLI_GIVEN_BYTES]);

#endif
