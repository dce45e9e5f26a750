/* seat.h - handles and names: what the files of this room share. */
#ifndef CVB_LIB_SEAT_H
#define CVB_LIB_SEAT_H

#include "flow/flow.h"
#include "place/named.h"

/* memory.c */
int cvb_new_handle(struct cvb_handle **out);
bool cvb_make_tables(struct cvb_handle *h);
void cvb_bind_places(struct cvb_handle *h);
void cvb_free_handle(struct cvb_handle *h);

/* name.c, known.c */
/* A name that was overwritten gets '?' for each byte that might not be shown: it could give orders to a terminal. */
void cvb_show_as_text(char *text, size_t length);
const struct cvb_name *cvb_name_of_id(struct cvb_handle *h, int kind, uint32_t id);
bool cvb_name_known(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t *id);
void cvb_name_remember(struct cvb_handle *h, int kind, const char *text, size_t n, uint32_t id);

/* intern.c: names of sources, which may be retired. */
/* True if the place has this name now; *id is its id. */
bool cvb_source_is(struct cvb_handle *h, uint32_t place, const char *text, uint32_t *id);
int cvb_source_text(struct cvb_handle *h, uint32_t id, char text[CVB_NAME_MAX + 1]);
/* retire.c: what is kept of a place whose name was retired begins anew. */
void cvb_place_clear(struct cvb_handle *h, uint32_t place);
void cvb_place_begin(struct cvb_handle *h, uint32_t place);

#endif
