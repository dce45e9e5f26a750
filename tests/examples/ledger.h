/* ledger.h - a file that says which records a worker is done with, across its death: the examples once and flaky write
 * what they do into it. Each line is SOURCE, POSITION and a text, with tabs between. The key is source and position,
 * which stay with a record wherever it goes; a record without a position has no key. One process at a time has a file.
 * A database would have the key as a unique one, in the transaction that does the work. */
#ifndef LEDGER_H
#define LEDGER_H

#include <conveyor/buffer.h>
#include <stdio.h>

struct ledger {
    struct cvb_handle *handle; /* tells the names of sources */
    FILE *file;
    void *seen; /* a tree of keys */
};

/* Reads what is there, and cuts off a last line that a kill has left unfinished. Errors: CVB_ESYSTEM (errno),
 * CVB_EINVAL (another kind of file). */
int ledger_open(struct ledger *ledger, struct cvb_handle *handle, const char *path);
void ledger_close(struct ledger *ledger);

/* 1 if it has the key of the record, 0 if not, or an error. */
int ledger_knows(struct ledger *ledger, const struct cvb_lease *lease);

/* Adds a line for the record, with so many bytes of a text without newlines; ledger_flush hands all lines to the
 * system, which has them then whatever becomes of the process. 0 or an error. */
int ledger_write(struct ledger *ledger, const struct cvb_lease *lease, const char *text, size_t length);
int ledger_flush(struct ledger *ledger);

#endif
