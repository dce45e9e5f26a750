/* segment.h - making, joining, leaving and removing a segment; names. */
#ifndef CONVEYOR_SEGMENT_H
#define CONVEYOR_SEGMENT_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The defaults, as the comments in types.h give them. */
CVB_API void cvb_settings_init(struct cvb_settings *settings);

/* Bytes of shared memory that cvb_create would take for a segment with these settings (NULL: the defaults), all of them
 * at once. Makes nothing. Any thread, beside anything. Errors: EINVAL. */
CVB_API int64_t cvb_memory_needed(const struct cvb_settings *settings);

/* Makes a segment; NULL means the defaults. All its memory is reserved, and its name appears only when it is complete.
 * Errors: EINVAL, ENAME, EEXIST, ENOSPC, EPERM, ESYSTEM. Any thread, beside anything. */
CVB_API int cvb_create(const char *name, const struct cvb_settings *settings);

/* Joins a segment: checks every field of its header, takes a seat, recovers dead peers. One thread at a time may use a
 * handle. Errors: ENAME, ENOENT, EPERM, ETRUNCATED, EMAGIC, EVERSION, ELAYOUT, ECORRUPT, EHANDLES, ESYSTEM. */
CVB_API int cvb_attach(const char *name, struct cvb_handle **handle);

/* As cvb_attach, but what dead peers left stays as it is, so that it can be seen (cvb_peer, cvb_census) before it is
 * recovered: for tools. A dead peer's seat is taken, and recovered, only if there is no other. */
CVB_API int cvb_observe(const char *name, struct cvb_handle **handle);

/* Leaves: open reservations are canceled, leases released (cvb_release). The handle is gone whatever this returns.
 * In a forked child it frees the child's memory only. */
CVB_API int cvb_detach(struct cvb_handle *handle);

/* Removes the name; those attached go on. Errors: ENAME, ENOENT, EPERM, ESYSTEM. */
CVB_API int cvb_unlink(const char *name);

/* The settings the segment was made with. */
CVB_API int cvb_settings_of(struct cvb_handle *handle, struct cvb_settings *settings);

/* The id of a name, interned by whoever comes first; lock-free. Errors: ENAME, ENAMES, EFORKED, ECORRUPT. */
CVB_API int cvb_stage(struct cvb_handle *handle, const char *name, uint32_t *id);
CVB_API int cvb_source(struct cvb_handle *handle, const char *name, uint32_t *id);
CVB_API int cvb_pipeline(struct cvb_handle *handle, const char *name, uint32_t *id);

#ifdef __cplusplus
}
#endif
#endif
