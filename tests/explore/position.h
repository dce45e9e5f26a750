/* position.h - what is true of positions: which are live, what was accepted, and that no published word says more. */
#ifndef EXPLORE_POSITION_H
#define EXPLORE_POSITION_H

#include "world.h"

enum { POSITION_MOST = 1024, POSITION_SOURCES = 8 };

void position_reset(bool hurt);
/* After a write to a unit's word, to the published word of a source, or to what a survey and a mover go by. */
void position_unit(uint32_t u);
void position_published(uint32_t source);
void position_hot(void);
void position_survey(void);
/* The one after it: some numbers are left out. */
uint64_t position_next(uint64_t position);
uint64_t position_accepted(uint32_t source);
/* What a call was told of the source, which began when so much was accepted. */
void position_told(uint32_t source, const struct cvb_progress *progress, uint64_t accepted_before);
/* Nobody else is at work and a survey was made: it is exact. */
void position_exact(uint32_t source, const struct cvb_progress *progress);

#endif
