/* text.h - messages: one clear line for each failure, with what to do about it. */
#ifndef CONVEYOR_CLI_TEXT_H
#define CONVEYOR_CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct cvb_handle;

/* The subcommand whose name opens each message. */
void cli_begin(const char *command);

/* Writes "conveyor COMMAND: ..." as one line to standard error; what is not printable becomes '?'. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Puts a question mark in place of control characters and of bytes that are not UTF-8. */
void cli_printable(char *text, size_t length);

/* Says why something about a segment failed and what to do; returns the exit status. */
int cli_segment_failed(const char *segment, int error);

/* As cli_segment_failed, about a segment of `bytes` bytes that could not be made. */
int cli_segment_failed_at(const char *segment, int error, uint64_t bytes);

/* As cli_segment_failed, about the name of a stage, source or pipeline (kind) that an option gave. */
int cli_name_failed(const char *segment, const char *option, const char *kind, const char *name, int error);

/* Attaches, or complains: 0 or the exit status. */
int cli_attach(const char *segment, struct cvb_handle **handle);

/* The same for a command that only looks: without a seat, and with permission to read only. */
int cli_observe(const char *segment, struct cvb_handle **handle);

/* Flushes standard output: 0, or 1 after a complaint if not all of it could be written. */
int cli_close_output(void);

#endif
