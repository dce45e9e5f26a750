/* ends.h - the other end of a bridge that is measured. */
#ifndef BENCH_ENDS_H
#define BENCH_ENDS_H

int bridge_end_main(int argc, char **argv);

#endif
