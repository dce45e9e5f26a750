/* grid.h - rows of a table in a window: the columns that fit. No cell is cut, because half a number is another number.
 */
#ifndef CONVEYOR_CLI_GRID_H
#define CONVEYOR_CLI_GRID_H

#include <stdbool.h>
#include <stdio.h>

enum { CLI_CELLS = 9, CLI_CELL_BYTES = 32 };

/* Where there is no room for all, those of the lowest rank are shown. The ranks of a table are 0, 1, 2 ... */
struct cli_column {
    int width; /* with the blanks before it */
    unsigned char rank;
    bool left; /* its text stands on the left, behind two blanks */
};
typedef char cli_cells[CLI_CELLS][CLI_CELL_BYTES];

/* Takes the columns of rank `shown` and on while there is room for them, up to `most`: how many ranks there are then.
 */
unsigned cli_take_columns(const struct cli_column *columns, unsigned shown, unsigned most, int *room);

/* A whole number in `width` characters: in thousands, millions or more if it needs that. */
void cli_put_number(char *cell, int width, double value);

/* A name, and blanks up to the width of its column. Of one that is longer its begin and its end, by which names of one
 * kind can be told apart, with a tilde between. */
void cli_print_name(FILE *f, const char *name, int width);

/* The cells of the first `shown` ranks, and the end of the line. */
void cli_print_cells(FILE *f, const struct cli_column *columns, unsigned shown, cli_cells cells);

#endif
