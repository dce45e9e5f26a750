/* ahead.h - how far ahead memory is fetched: all distances, in one table. For speed alone: nothing depends on them.
 *
 * `without` is the throughput without the fetch, as a part of that with it, in the row where it brings most (b1:
 * batches of 1). Zen 4, 55 to 80 ns from core to core, 8 paired runs; 0.95 and more is not told apart from 1.
 *
 * | who fetches  | what                                     | how far          | file      | without         |
 * |--------------|------------------------------------------|------------------|-----------|-----------------|
 * | put, a look  | units that a group of an idle list names | all 7 of a group | reuse.c   | 0.57 (4P4C b8)  |
 * | put, a claim | payloads of an idle unit                 | CVB_AHEAD_UNITS  | reuse.c   | 0.49 (2P2C b1)  |
 * | put, a train | its own long cells                       | CVB_AHEAD_BYTES  | write.c   | 0.96 [1]        |
 * | put, a train | short cells of the next train            | a train          | write.c   | 0.98 [1]        |
 * | reserve      | cells of the next train                  | a train          | reserve.c | 0.93 (4P4C b8)  |
 * | put          | slots behind the ring's tail             | CVB_AHEAD_SLOTS  | ring.c    | 0.89 (2P2C b1)  |
 * | get          | units of the ring's next line, if full   | LINE_SLOTS       | near.c    | 0.34 (2P2C b1)  |
 * | get          | payloads of a queued unit                | CVB_AHEAD_UNITS  | near.h    | 0.30 (2P2C b1)  |
 * | get, a train | short cells of the next train            | a train          | take.c    | 0.71 (2P2C b32) |
 * | ack          | the next group of the own idle list      | a group          | idle.c    | 0.89 (4P4C b1)  |
 *
 * [1] Where a line takes 240 ns from core to core: 1 KiB in batches of 32 5.0 to 10-12 million records a second, 256
 * bytes in batches of 8 9.6 to 20 (lib/DECISIONS.md).
 */
#ifndef CVB_LIB_AHEAD_H
#define CVB_LIB_AHEAD_H

/* Units: payloads are fetched for the unit that is claimed or leased as the fourth from now. */
#define CVB_AHEAD_UNITS 4u

/* Slots: a line of the ring holds 8, so a publisher's next line is fetched halfway through the one before it. */
#define CVB_AHEAD_SLOTS 12u

/* Slots that a line of the ring holds. */
#define CVB_LINE_SLOTS 8u

/* Bytes of a train of long cells: the processor's own prefetchers fetch too late for a writer. */
#define CVB_AHEAD_BYTES 4096u

/* Bytes of a cell: longer ones the processor itself fetches ahead for a reader, and a writer fetches them within its
 * own train. Shorter ones are fetched a train ahead. */
#define CVB_LONG_CELL 256u

/* Records: the payloads of a unit of so many are fetched all at once. Those of a longer train are fetched one by one
 * while the train before it is written or handed out: so many lines at a time would keep the core waiting. */
#ifndef CVB_SHORT_TRAIN
#define CVB_SHORT_TRAIN 8u
#endif

/* Records: of longer trains a get fetches only the next unit, because their payloads keep the core busy. */
#define CVB_LONG_TRAIN 16u

#endif
