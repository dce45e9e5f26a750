/* word.h - a name as a word of a command that a message tells to type. */
#ifndef CONVEYOR_CLI_WORD_H
#define CONVEYOR_CLI_WORD_H

/* A segment's name has up to 200 bytes; each may get a backslash. What is too long to be a name is cut. */
#define CLI_WORD_BYTES (2 * 200 + 4)

/* The name with a backslash before each character that means something to a shell, so that the command may stand in
 * single quotes in a sentence, and be copied from between them. Returns text. */
const char *cli_word(const char *name, char text[CLI_WORD_BYTES]);

/* As cli_word, of a segment: one that begins with a hyphen gets the slash that shm_open wants, or it would be taken for
 * an option. The value of an option may begin as it likes. */
const char *cli_segment_word(const char *segment, char text[CLI_WORD_BYTES]);

#endif
