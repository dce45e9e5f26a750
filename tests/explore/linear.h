/* linear.h - does some order of the history's steps explain it? (linearizability)
 *
 * A step may come before another only if the other had not ended before it began; each process's steps keep their
 * order; and each must be possible in the model (model.h) at its place. The search is that of Wing and Gong (1993) with
 * the memory of Lowe (2017): what has been tried from a set of steps done and a state of the model is not tried again.
 */
#ifndef EXPLORE_LINEAR_H
#define EXPLORE_LINEAR_H

#include "history.h"

enum linear_verdict { LINEAR_YES, LINEAR_NO, LINEAR_UNDECIDED };

/* The history is closed. Looks at no more than `budget` states. */
enum linear_verdict linear_check(const struct history *h, long budget);
/* It was not explained by the first way that was tried. */
bool linear_went_back(void);
/* The history, and how far the last check came; a line at a time. */
void linear_explain(const struct history *h, void (*print)(const char *line));

#endif
