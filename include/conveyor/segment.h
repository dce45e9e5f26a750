/* segment.h - making, joining, leaving and removing a segment; names.
 *
 * Threads: one handle is used by one thread at a time, but for cvb_wake; functions without a handle may be called by
 * any thread, beside anything.
 *
 * Cancellation: no function of this library is a cancellation point. A deferred cancellation (pthread_cancel) that
 * comes during a call acts at the caller's next cancellation point; cvb_wake ends a wait. Asynchronous cancellation
 * inside a call is not supported.
 *
 * Fork: at any moment, in any thread, also in a signal handler and in the fork handlers of others (pthread_atfork),
 * which may attach and detach. In the child the parent's handles give EFORKED; it attaches anew. It keeps neither the
 * parent's seats nor a descriptor of the library's. A child that was made without the handlers of pthread_atfork
 * (_Fork, a raw system call) does not keep the seats either, unless another thread of the parent was in cvb_attach at
 * that moment; it is told EFORKED, and may attach if the parent had one thread.
 *
 * Descriptors: a process has one descriptor for each segment that it has joined, whatever the number of handles. A
 * program may close it with all others (closefrom): no seat is lost, and the library opens another when it needs one,
 * as long as the segment has its name. It is never 0, 1 or 2, whatever is closed: what a program prints to a standard
 * output that it has closed does not get into the segment. */
#ifndef CONVEYOR_SEGMENT_H
#define CONVEYOR_SEGMENT_H

#include <conveyor/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The defaults, as the comments in types.h give them. */
CVB_API void cvb_settings_init_sized(struct cvb_settings *settings, size_t size);
static inline void cvb_settings_init(struct cvb_settings *settings)
{
    cvb_settings_init_sized(settings, sizeof *settings);
}

/* 0, or EINVAL if cvb_create would refuse these settings (NULL: the defaults); then text (may be NULL) says in up to
 * `size` bytes which setting is wrong and why: "max_stages is 1: it must be 2 to 4095". Any thread, beside anything. */
CVB_API int cvb_settings_check_sized(const struct cvb_settings *settings, char *text, size_t text_size, size_t size);
static inline int cvb_settings_check(const struct cvb_settings *settings, char *text, size_t size)
{
    return cvb_settings_check_sized(settings, text, size, sizeof *settings);
}

/* Bytes of shared memory that cvb_create would take for a segment with these settings (NULL: the defaults), all of them
 * at once. Makes nothing. Any thread, beside anything. Errors: EINVAL. */
CVB_API int64_t cvb_memory_needed_sized(const struct cvb_settings *settings, size_t size);
static inline int64_t cvb_memory_needed(const struct cvb_settings *settings)
{
    return cvb_memory_needed_sized(settings, sizeof *settings);
}

/* Makes a segment; NULL means the defaults. All its memory is reserved, and its name appears only when it is complete.
 * A creator that is killed leaves nothing; where the file system has no nameless files, or /proc is not mounted, it
 * leaves a file whose name begins with ".conveyor-making-". errno says more: with ENOSPC it is EFBIG if RLIMIT_FSIZE is
 * the limit (SIGXFSZ is not delivered), with EPERM it is EROFS if /dev/shm is read-only, with EUNSUPPORTED it is ENOENT
 * if there is no /dev/shm. Errors: EINVAL, ENAME, EEXIST, ENOSPC, EPERM, EUNSUPPORTED, ESYSTEM. */
CVB_API int cvb_create_sized(const char *name, const struct cvb_settings *settings, size_t size);
static inline int cvb_create(const char *name, const struct cvb_settings *settings)
{
    return cvb_create_sized(name, settings, sizeof *settings);
}

/* Joins a segment: checks every field of its header, takes a seat, recovers dead peers. One thread at a time may use a
 * handle. EUNSUPPORTED: there is no /dev/shm, or the system refuses OFD locks or MADV_DONTFORK; errno says which.
 * ESYSTEM with EAGAIN: another program has locked the file.
 * Errors: ENAME, ENOENT, EPERM, ETRUNCATED, EMAGIC, EVERSION, ELAYOUT, ECORRUPT, EHANDLES, EUNSUPPORTED, ESYSTEM. */
CVB_API int cvb_attach(const char *name, struct cvb_handle **handle);

/* A handle that only looks: it maps the segment read-only, needs permission to read it and no other, takes no seat and
 * no lock, and leaves every byte and what dead peers left as they are. It works when all seats are taken, and while
 * every other process is stopped. With it all functions of state.h, cvb_audit, cvb_settings_of, cvb_backpressure,
 * cvb_should_backpressure and cvb_available_credits work, and cvb_stage, cvb_source and cvb_pipeline give the ids of
 * names that are there (else EUNKNOWN). Whatever would change the segment, or wait, is refused: EREADONLY. It sees who
 * is dead as others do. Checks and errors as cvb_attach, but for EHANDLES. A file that somebody truncates while it is
 * mapped ends the process by SIGBUS at the next look beyond its end, as with any mapping; cvb_audit, cvb_peer and
 * cvb_recover look at the file's length first: ETRUNCATED. */
CVB_API int cvb_observe(const char *name, struct cvb_handle **handle);

/* Leaves: open reservations are canceled, leases released (cvb_release). The handle is gone whatever this returns.
 * In a forked child it frees the child's memory only: EFORKED. So it does if the handle has lost its seat (ELOST), is
 * of no use after a corruption (ECORRUPT), or the file has become too short (ETRUNCATED): what it had is recovered as a
 * dead peer's. */
CVB_API int cvb_detach(struct cvb_handle *handle);

/* Removes the name; those attached go on. A file that is no segment of any version stays: EMAGIC. Another user's in a
 * sticky directory: EPERM. Errors: ENAME, ENOENT, EMAGIC, EPERM, EUNSUPPORTED, ESYSTEM. */
CVB_API int cvb_unlink(const char *name);

/* The settings the segment was made with. */
CVB_API int cvb_settings_of_sized(struct cvb_handle *handle, struct cvb_settings *settings, size_t size);
static inline int cvb_settings_of(struct cvb_handle *handle, struct cvb_settings *settings)
{
    return cvb_settings_of_sized(handle, settings, sizeof *settings);
}

/* The segment's own id: 16 random bytes that were made with it, so that what was remembered of a segment is not taken
 * for another one's of the same name. Errors: EINVAL, EFORKED. */
CVB_API int cvb_segment_id(struct cvb_handle *handle, uint8_t id[CVB_SEGMENT_ID_BYTES]);

/* The id of a name; the first process that asks for it makes it. Lock-free. Names of stages and pipelines are never
 * given back, those of sources may be retired. Errors: ENAME, ENAMES, ESEALED (a stage), EFORKED, ECORRUPT. */
CVB_API int cvb_stage(struct cvb_handle *handle, const char *name, uint32_t *id);
CVB_API int cvb_source(struct cvb_handle *handle, const char *name, uint32_t *id);
CVB_API int cvb_pipeline(struct cvb_handle *handle, const char *name, uint32_t *id);

/* Retires the name of a source that nobody uses: its place in the table serves the next name that is new. The id is
 * never given again, and is EUNKNOWN to all calls from then on, also to those that are at work; so a process that keeps
 * it cannot put records under another name. If the name is asked for again (cvb_source) it gets a new id, and begins
 * anew: positions, counts, limit and signal by hand go with the old one. A wait of the source ends with EUNKNOWN within
 * a second, and a watch of it is there (CVB_WATCH_...). A place serves 65,536 names, as long as the highest positions
 * of all of them add up to less than 2^63; after that it stays empty. Lock-free. Errors: EBUSY (a record of it is in
 * the buffer, reserved, leased, delayed or a dead letter; or a handle that lives has opened it: cvb_source_open),
 * EUNKNOWN, EFORKED, ELOST, EREADONLY, ECORRUPT. */
CVB_API int cvb_source_retire(struct cvb_handle *handle, uint32_t source);

/* The id of the source that has the place, 0 to max_sources - 1. EUNKNOWN if no source has it; EINVAL, EFORKED. */
CVB_API int cvb_source_at(struct cvb_handle *handle, uint32_t place, uint32_t *id);
/* The place of a source, which is the index of what is told of it in arrays of all sources. The ids of sources are
 * their places as long as no name was retired. */
static inline uint32_t cvb_source_place(uint32_t source) { return source & 0xffff; }

#ifdef __cplusplus
}
#endif
#endif
