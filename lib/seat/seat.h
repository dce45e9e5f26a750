/* seat.h - names that were learned once: what name.c and known.c share. */
#ifndef CVB_LIB_SEAT_H
#define CVB_LIB_SEAT_H

#include "flow/flow.h"

/* name.c, known.c */
const struct cvb_name *cvb_name_of_id(struct cvb_handle *h, int kind, uint32_t id);
bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id);
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id);

#endif
