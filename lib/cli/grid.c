/* grid.c - rows of a table in a window: the columns that fit. */
#include "grid.h"

#include <conveyor/types.h>
#include <string.h>

#include "width.h"

unsigned cli_take_columns(const struct cli_column *columns, unsigned shown, unsigned most, int *room)
{
    for (; shown < most; shown++)
        for (int i = 0; i < CLI_CELLS; i++)
            if (columns[i].rank == shown) {
                if (columns[i].width > *room)
                    return shown;
                *room -= columns[i].width;
            }
    return shown;
}

void cli_put_number(char *cell, int width, double value)
{
    static const char unit[] = "kMGT";
    int n = snprintf(cell, CLI_CELL_BYTES, "%.0f", value);
    for (size_t i = 0; n > width && i < sizeof unit - 1; i++) {
        value /= 1000;
        n = snprintf(cell, CLI_CELL_BYTES, "%.0f%c", value, unit[i]);
    }
}

/* The end of the name that takes at most `width` columns, and does not begin within a character. */
static const char *end_of(const char *name, int width)
{
    while (cli_width(name) > width || ((unsigned char)*name & 0xc0) == 0x80 || cli_clip(name, strlen(name), 0))
        name++;
    return name;
}

void cli_print_name(FILE *f, const char *name, int width)
{
    const int begin = width / 2;
    char shown[CVB_NAME_MAX + 2];
    if (cli_width(name) <= width)
        snprintf(shown, sizeof shown, "%s", name);
    else
        snprintf(shown, sizeof shown, "%.*s~%s", (int)cli_clip(name, strlen(name), begin), name,
                 end_of(name, width - begin - 1));
    fprintf(f, "%s%*s", shown, width - cli_width(shown), "");
}

void cli_print_cells(FILE *f, const struct cli_column *columns, unsigned shown, cli_cells c)
{
    for (int i = 0; i < CLI_CELLS; i++) {
        const struct cli_column *column = &columns[i];
        if (column->rank < shown && column->left)
            fprintf(f, "  %-*s", column->width - 2, c[i]);
        else if (column->rank < shown)
            fprintf(f, "%*s", column->width, c[i]);
    }
    fputc('\n', f);
}
