/* seat.h - handles and names: what the files of this room share. */
#ifndef CVB_LIB_SEAT_H
#define CVB_LIB_SEAT_H

#include "flow/flow.h"

/* memory.c */
int cvb_new_handle(struct cvb_handle **out);
bool cvb_make_tables(struct cvb_handle *h);
void cvb_bind_places(struct cvb_handle *h);
void cvb_free_handle(struct cvb_handle *h);

/* name.c, known.c */
const struct cvb_name *cvb_name_of_id(struct cvb_handle *h, int kind, uint32_t id);
bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id);
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id);

#endif
