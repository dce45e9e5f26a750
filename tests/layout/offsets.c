/* offsets.c - shm/fields.h names every byte of every struct that lies in the segment: the compiler asserts each of its
 * lines, and here no line is missing. */
#include "fields.h"

#include <criterion/criterion.h>
#include <string.h>

struct line {
    const char *type, *field; /* field NULL: the end of a struct */
    size_t at, bytes;
};

#define FIELD_LINE(type, field, at, bytes) {#type, #field, at, bytes},
#define STRUCT_LINE(type, bytes) {#type, NULL, bytes, 0},
static const struct line lines[] = {CVB_FIELDS(FIELD_LINE, STRUCT_LINE)};
enum { LINES = sizeof lines / sizeof lines[0] };

Test(offsets, no_byte_of_a_struct_is_without_a_line)
{
    size_t end = 0;
    for (size_t i = 0; i < LINES; i++) {
        cr_expect_eq(lines[i].at, end, "%s.%s: at %zu, and the field before it ends at %zu", lines[i].type,
                     lines[i].field ? lines[i].field : "(end)", lines[i].at, end);
        end = lines[i].field ? lines[i].at + lines[i].bytes : 0;
        if (i && lines[i - 1].field)
            cr_expect_str_eq(lines[i - 1].type, lines[i].type, "%s has no end", lines[i - 1].type);
    }
}

/* What the geometry makes room for, and what lies in it. */
Test(offsets, every_struct_of_the_segment_has_lines)
{
    static const char *const types[] = {"cvb_header", "cvb_counter",    "cvb_flag",  "cvb_lookout",  "cvb_hint",
                                        "cvb_seat",   "cvb_idle",       "cvb_tally", "cvb_name",     "cvb_unit",
                                        "cvb_member", "cvb_idle_group", "cvb_pair",  "cvb_settings", "cvb_extension",
                                        "cvb_class",  "cvb_journal"};
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        size_t i = 0;
        while (i < LINES && (lines[i].field || strcmp(lines[i].type, types[t])))
            i++;
        cr_expect_lt(i, LINES, "%s", types[t]);
    }
}
