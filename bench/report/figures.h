/* figures.h - the figures of a file of results: medians over the runs that count. Which runs count is decided here and
 * nowhere else: the tables on the terminal, the page with its charts, CSV, the verdicts and compare all ask here. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Why a run does not count, in a few words; NULL if it counts. Of a run that is being measured, and of one in a file.
 */
const char *figure_fault(const char *failure, const char *state, double others);
const char *figure_left_out(const json_t *run);

enum { FIGURE_RUNS = 256, FIGURE_TEXT = 96 };

struct figure {
    unsigned n, left_out; /* how many runs count, and how many do not */
    double median, least, most;
    const char *why; /* there is no figure, and this is the reason; else NULL */
    double value[FIGURE_RUNS];
};

/* One number of those runs of a list that have all members of `what`. */
struct figure figure_of(const json_t *list, const json_t *what, const char *key);

/* The different values that the members `keys` have in a list, as objects in the order in which they come first; only
 * of entries that have all members of `within`, if that is not NULL. */
json_t *figure_kinds(const json_t *list, const json_t *within, const char *const *keys);

/* True if the object has all members of `what`; a run during which the machine changed is of any state. */
bool figure_matches(const json_t *object, const json_t *what);

/* A new object with the members of both; those of `b` may be NULL. */
json_t *figure_join(const json_t *a, const json_t *b);

/* Three significant digits, and never so few that a number becomes 0. */
const char *figure_number(char text[FIGURE_TEXT], double value);

/* "451 ns", "37.3 us", "2.75 ms". */
const char *figure_time(char text[FIGURE_TEXT], double ns);

/* "median (least-greatest) n", "... 3/5" if two of five runs do not count, or "- (reason)". */
const char *figure_text(char text[FIGURE_TEXT], const struct figure *figure, double scale);

/* A ratio; beyond a hundred times it says "> 100" only: the other system has collapsed, and how far says nothing. */
#define FIGURE_RATIO_MAX 100.0
const char *figure_ratio(char text[FIGURE_TEXT], double ratio);

/* True for the names of this library's own systems, and for those of the rings. */
bool figure_is_ours(const char *system);
bool figure_is_ring(const char *system);

/* Ours (the better of our systems) and the best of the others at one work, and whether they can be told apart. */
struct duel {
    struct figure ours, theirs;
    const char *our_name, *their_name; /* NULL: there is no such figure */
    int says;                          /* 1: ours is better, -1: theirs is, 0: not told apart */
};
enum duel_with { DUEL_ALL, DUEL_RINGS, DUEL_COPY };
struct duel duel_of(const json_t *results, const json_t *work, enum duel_with with);

#endif
