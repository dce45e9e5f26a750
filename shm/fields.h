/* fields.h - every field of every struct that lies in the segment, in order: where it is, and how many bytes it has.
 *
 * Programs that were built at different times meet in one segment, so no compiler and no change may move a field
 * unseen. layout.c asserts each line when it is compiled and makes the fingerprint of all; tests/layout/offsets.c
 * checks that no byte of a struct is missing here. A change of a line raises CVB_LAYOUT_VERSION.
 */
#ifndef CVB_SHM_FIELDS_H
#define CVB_SHM_FIELDS_H

#include "layout.h"

/* FIELD(struct, field, offset, bytes), and after the fields of a struct STRUCT(struct, bytes) */
#define CVB_FIELDS(FIELD, STRUCT)                                                                                      \
    FIELD(cvb_pair, lo, 0, 8)                                                                                          \
    FIELD(cvb_pair, hi, 8, 8)                                                                                          \
    STRUCT(cvb_pair, 16)                                                                                               \
    FIELD(cvb_counter, taken, 0, 16)                                                                                   \
    FIELD(cvb_counter, limit, 16, 8)                                                                                   \
    FIELD(cvb_counter, max_retries, 24, 4)                                                                             \
    FIELD(cvb_counter, pad_taken, 28, 100)                                                                             \
    FIELD(cvb_counter, returned, 128, 16)                                                                              \
    FIELD(cvb_counter, pad_returned, 144, 112)                                                                         \
    STRUCT(cvb_counter, 256)                                                                                           \
    FIELD(cvb_hint, head, 0, 8)                                                                                        \
    FIELD(cvb_hint, pad_head, 8, 56)                                                                                   \
    FIELD(cvb_hint, tail, 64, 8)                                                                                       \
    FIELD(cvb_hint, pad_tail, 72, 56)                                                                                  \
    STRUCT(cvb_hint, 128)                                                                                              \
    FIELD(cvb_member, cell, 0, 4)                                                                                      \
    FIELD(cvb_member, extent, 4, 4)                                                                                    \
    STRUCT(cvb_member, 8)                                                                                              \
    FIELD(cvb_unit, word, 0, 16)                                                                                       \
    FIELD(cvb_unit, generation, 16, 8)                                                                                 \
    FIELD(cvb_unit, source, 24, 2)                                                                                     \
    FIELD(cvb_unit, pipeline, 26, 2)                                                                                   \
    FIELD(cvb_unit, origin, 28, 2)                                                                                     \
    FIELD(cvb_unit, class, 30, 2)                                                                                      \
    FIELD(cvb_unit, buffered_at_ns, 32, 8)                                                                             \
    FIELD(cvb_unit, first, 40, 8)                                                                                      \
    FIELD(cvb_unit, member, 48, 8 * CVB_INLINE_MEMBERS)                                                                \
    STRUCT(cvb_unit, 64)                                                                                               \
    FIELD(cvb_extension, member, 0, 8 * CVB_UNIT_MEMBERS)                                                              \
    STRUCT(cvb_extension, 256)                                                                                         \
    FIELD(cvb_journal, head, 0, 8)                                                                                     \
    FIELD(cvb_journal, unit, 8, 4)                                                                                     \
    FIELD(cvb_journal, to_unit, 12, 4)                                                                                 \
    FIELD(cvb_journal, before, 16, 16)                                                                                 \
    FIELD(cvb_journal, after, 32, 16)                                                                                  \
    FIELD(cvb_journal, to_before, 48, 16)                                                                              \
    FIELD(cvb_journal, to_after, 64, 16)                                                                               \
    FIELD(cvb_journal, count, 80, 4)                                                                                   \
    FIELD(cvb_journal, source, 84, 2)                                                                                  \
    FIELD(cvb_journal, stage, 86, 2)                                                                                   \
    FIELD(cvb_journal, to_stage, 88, 2)                                                                                \
    FIELD(cvb_journal, pad_to_stage, 90, 6)                                                                            \
    FIELD(cvb_journal, low, 96, 8)                                                                                     \
    FIELD(cvb_journal, pad, 104, 24)                                                                                   \
    STRUCT(cvb_journal, 128)                                                                                           \
    FIELD(cvb_seat, state, 0, 8)                                                                                       \
    FIELD(cvb_seat, pid, 8, 4)                                                                                         \
    FIELD(cvb_seat, staged, 12, 4 * CVB_KINDS)                                                                         \
    FIELD(cvb_seat, told_dead, 24, 8)                                                                                  \
    FIELD(cvb_seat, pad_state, 32, 32)                                                                                 \
    FIELD(cvb_seat, journal, 64, 128)                                                                                  \
    FIELD(cvb_seat, active_ns, 192, 8)                                                                                 \
    FIELD(cvb_seat, deaths, 200, 8)                                                                                    \
    FIELD(cvb_seat, recoveries, 208, 8)                                                                                \
    FIELD(cvb_seat, pauses, 216, 8)                                                                                    \
    FIELD(cvb_seat, signals, 224, 8)                                                                                   \
    FIELD(cvb_seat, pad, 232, 280)                                                                                     \
    STRUCT(cvb_seat, 512)                                                                                              \
    FIELD(cvb_idle_group, header, 0, 8)                                                                                \
    FIELD(cvb_idle_group, entry, 8, 8 * CVB_IDLE_ENTRIES)                                                              \
    FIELD(cvb_idle_group, unused, 8 + 8 * CVB_IDLE_ENTRIES, 8 * (7 - CVB_IDLE_ENTRIES))                                \
    STRUCT(cvb_idle_group, 64)                                                                                         \
    FIELD(cvb_idle, version, 0, 8)                                                                                     \
    FIELD(cvb_idle, note, 8, 8)                                                                                        \
    FIELD(cvb_idle, parked, 16, 8)                                                                                     \
    FIELD(cvb_idle, claimed, 24, 8)                                                                                    \
    FIELD(cvb_idle, pad_version, 32, 32)                                                                               \
    FIELD(cvb_idle, groups, 64, 8)                                                                                     \
    FIELD(cvb_idle, first, 72, 8)                                                                                      \
    FIELD(cvb_idle, pad_groups, 80, 48)                                                                                \
    STRUCT(cvb_idle, 128)                                                                                              \
    FIELD(cvb_flag, word, 0, 4)                                                                                        \
    FIELD(cvb_flag, hand, 4, 4)                                                                                        \
    FIELD(cvb_flag, given, 8, 8)                                                                                       \
    FIELD(cvb_flag, told, 16, 4)                                                                                       \
    FIELD(cvb_flag, dead, 20, 4)                                                                                       \
    FIELD(cvb_flag, pad_told, 24, 8)                                                                                   \
    FIELD(cvb_flag, named, 32, 16)                                                                                     \
    FIELD(cvb_flag, pad_word, 48, 16)                                                                                  \
    FIELD(cvb_flag, slack, 64, 8)                                                                                      \
    FIELD(cvb_flag, pad_slack, 72, 56)                                                                                 \
    STRUCT(cvb_flag, 128)                                                                                              \
    FIELD(cvb_reason, owner, 0, 16)                                                                                    \
    FIELD(cvb_reason, at_ns, 16, 8)                                                                                    \
    FIELD(cvb_reason, since_ns, 24, 8)                                                                                 \
    FIELD(cvb_reason, pid, 32, 4)                                                                                      \
    FIELD(cvb_reason, source, 36, 4)                                                                                   \
    FIELD(cvb_reason, text, 40, 8 * CVB_REASON_WORDS)                                                                  \
    FIELD(cvb_reason, pad_text, 104, 24)                                                                               \
    STRUCT(cvb_reason, 128)                                                                                            \
    FIELD(cvb_event_slot, word, 0, 16)                                                                                 \
    FIELD(cvb_event_slot, at_ns, 16, 8)                                                                                \
    FIELD(cvb_event_slot, kind, 24, 4)                                                                                 \
    FIELD(cvb_event_slot, code, 28, 4)                                                                                 \
    FIELD(cvb_event_slot, pid, 32, 4)                                                                                  \
    FIELD(cvb_event_slot, stage, 36, 4)                                                                                \
    FIELD(cvb_event_slot, source, 40, 4)                                                                               \
    FIELD(cvb_event_slot, pad, 44, 4)                                                                                  \
    FIELD(cvb_event_slot, before, 48, 8)                                                                               \
    FIELD(cvb_event_slot, after, 56, 8)                                                                                \
    FIELD(cvb_event_slot, text, 64, 8 * CVB_REASON_WORDS)                                                              \
    STRUCT(cvb_event_slot, 128)                                                                                        \
    FIELD(cvb_event_ring, next, 0, 8)                                                                                  \
    FIELD(cvb_event_ring, pad_next, 8, 56)                                                                             \
    STRUCT(cvb_event_ring, 64)                                                                                         \
    FIELD(cvb_thresholds, word, 0, 8)                                                                                  \
    FIELD(cvb_thresholds, pad, 8, 56)                                                                                  \
    STRUCT(cvb_thresholds, 64)                                                                                         \
    FIELD(cvb_lookout, until_ns, 0, 8)                                                                                 \
    FIELD(cvb_lookout, look_due_ns, 8, 8)                                                                              \
    FIELD(cvb_lookout, turn, 16, 4)                                                                                    \
    FIELD(cvb_lookout, seat, 20, 4)                                                                                    \
    FIELD(cvb_lookout, attaches, 24, 8)                                                                                \
    FIELD(cvb_lookout, naming, 32, 16)                                                                                 \
    FIELD(cvb_lookout, dead_moves, 48, 8)                                                                              \
    FIELD(cvb_lookout, pad, 56, 8)                                                                                     \
    STRUCT(cvb_lookout, 64)                                                                                            \
    FIELD(cvb_retry, word, 0, 8)                                                                                       \
    FIELD(cvb_retry, pad, 8, 56)                                                                                       \
    STRUCT(cvb_retry, 64)                                                                                              \
    FIELD(cvb_soonest, bound, 0, 16)                                                                                   \
    STRUCT(cvb_soonest, 16)                                                                                            \
    FIELD(cvb_tally, n, 0, 128)                                                                                        \
    STRUCT(cvb_tally, 128)                                                                                             \
    FIELD(cvb_moved, low, 0, 8)                                                                                        \
    FIELD(cvb_moved, epoch, 8, 8)                                                                                      \
    STRUCT(cvb_moved, 16)                                                                                              \
    FIELD(cvb_survey, number, 0, 8)                                                                                    \
    FIELD(cvb_survey, begun_ns, 8, 8)                                                                                  \
    FIELD(cvb_survey, took_ns, 16, 8)                                                                                  \
    FIELD(cvb_survey, pad, 24, 40)                                                                                     \
    STRUCT(cvb_survey, 64)                                                                                             \
    FIELD(cvb_stand, claim, 0, 8)                                                                                      \
    FIELD(cvb_stand, settled, 8, 8)                                                                                    \
    FIELD(cvb_stand, base, 16, 8)                                                                                      \
    FIELD(cvb_stand, pad_base, 24, 40)                                                                                 \
    FIELD(cvb_stand, before, 64, 128)                                                                                  \
    STRUCT(cvb_stand, 192)                                                                                             \
    FIELD(cvb_window, number, 0, 4)                                                                                    \
    FIELD(cvb_window, longest, 4, 4)                                                                                   \
    FIELD(cvb_window, count, 8, 112)                                                                                   \
    STRUCT(cvb_window, 120)                                                                                            \
    FIELD(cvb_stay, window, 0, 240)                                                                                    \
    FIELD(cvb_stay, died, 240, 8)                                                                                      \
    FIELD(cvb_stay, pauses, 248, 8)                                                                                    \
    STRUCT(cvb_stay, 256)                                                                                              \
    FIELD(cvb_name, length, 0, 1)                                                                                      \
    FIELD(cvb_name, text, 1, CVB_NAME_MAX)                                                                             \
    STRUCT(cvb_name, 64)                                                                                               \
    FIELD(cvb_cell_header, length, 0, 4)                                                                               \
    FIELD(cvb_cell_header, pad, 4, 4)                                                                                  \
    STRUCT(cvb_cell_header, 8)                                                                                         \
    FIELD(cvb_class, bytes, 0, 4)                                                                                      \
    FIELD(cvb_class, count, 4, 4)                                                                                      \
    STRUCT(cvb_class, 8)                                                                                               \
    FIELD(cvb_settings, max_total_records, 0, 4)                                                                       \
    FIELD(cvb_settings, max_per_stage, 4, 4)                                                                           \
    FIELD(cvb_settings, max_per_source, 8, 4)                                                                          \
    FIELD(cvb_settings, payload_size, 12, 4)                                                                           \
    FIELD(cvb_settings, backpressure_threshold, 16, 8)                                                                 \
    FIELD(cvb_settings, resume_threshold, 24, 8)                                                                       \
    FIELD(cvb_settings, max_stages, 32, 4)                                                                             \
    FIELD(cvb_settings, max_sources, 36, 4)                                                                            \
    FIELD(cvb_settings, max_pipelines, 40, 4)                                                                          \
    FIELD(cvb_settings, max_handles, 44, 4)                                                                            \
    FIELD(cvb_settings, max_retries, 48, 4)                                                                            \
    FIELD(cvb_settings, class_count, 52, 4)                                                                            \
    FIELD(cvb_settings, classes, 56, 8 * CVB_CLASSES_MAX)                                                              \
    FIELD(cvb_settings, mode, 88, 4)                                                                                   \
    FIELD(cvb_settings, sealed_stages, 92, 4)                                                                          \
    FIELD(cvb_settings, header_size, 96, 4)                                                                            \
    FIELD(cvb_settings, retry_delay_ms, 100, 4)                                                                        \
    FIELD(cvb_settings, retry_delay_cap_ms, 104, 4)                                                                    \
    FIELD(cvb_settings, reserved, 108, 4)                                                                              \
    STRUCT(cvb_settings, 112)                                                                                          \
    FIELD(cvb_header, magic, 0, 8)                                                                                     \
    FIELD(cvb_header, version, 8, 4)                                                                                   \
    FIELD(cvb_header, header_bytes, 12, 4)                                                                             \
    FIELD(cvb_header, fingerprint, 16, 8)                                                                              \
    FIELD(cvb_header, size, 24, 8)                                                                                     \
    FIELD(cvb_header, settings, 32, 112)                                                                               \
    FIELD(cvb_header, id, 144, CVB_SEGMENT_ID_BYTES)                                                                   \
    FIELD(cvb_header, checksum, 160, 8)                                                                                \
    STRUCT(cvb_header, 168)

#endif
