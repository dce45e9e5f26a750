"""Why weakening an access shows nothing: (file, function, access or "*") -> the reason. Pairs are those of lib/MEMORY-MODEL.md."""

CAS = "what it reads is changed by a compare-and-swap from exactly that, or looked at again"
DEAD = "the dead one's stores are ordered by the kernel; between recoverers each step is a compare-and-swap from an exact word"
FENCE = "the fences of F1 order it; the flag is changed by a compare-and-swap from what was read"
HINT = "a hint: the unit's word decides"

EXPLAINED = {
    ("ring.c", "choose", "cvb_load_pair"): "a ring that was full is looked at again, and the slot's CAS decides",
    ("ring.c", "read_queued", "*"): CAS,
    ("ring.c", "bump", "*"): "the payload came with the word before; the slot's CAS that follows releases both (P1)",
    ("ring.c", "cvb_publish_helped", "cvb_load64_acq"): "a stale look makes the slot's CAS fail",
    ("ring.c", "cvb_publish_helped", "cvb_cas64"): "the owner's release of the word reaches the taker without the helper (P2)",
    ("ring.c", "find_head", "cvb_load64_acq"): "needed, so that the word is not older than its slot and the head does not pass a "
    "record; the models drain with a handle that has not passed it",
    ("name.c", "intern", "*"): "after its own CAS, which has acquired",
    ("ring.c", "cvb_enqueue", "cvb_cas_pair"): "the slot's CAS that follows releases it (P1); a helper reads it after a death, or fails its CAS",
    ("ring.c", "lease", "*"): "the slot's acquire has brought the unit (P1); LEASED is read by others after a death only",
    ("ring.c", "lease_part", "*"): "the seat's own word",
    ("ring.c", "find_head", "cvb_load_pair"): "the slot's acquire has brought it (P1), and the lease is a CAS from exactly it",
    ("ring.c", "follow", "*"): "for the head a stale hint costs a look",
    ("journal.c", "cvb_journal_close", "*"): "what it closes was done by sequentially consistent CASes; a stale open journal makes a helper's CAS fail",
    ("journal.c", "read_fields", "cvb_load64_acq"): "the fence before it orders (J2); of the head itself coherence is enough",
    ("journal.c", "cvb_help_split", "*"): CAS,
    ("journal.c", "recover_move", "*"): DEAD,
    ("journal.c", "recover_returns", "*"): DEAD,
    ("journal.c", "recover_refill", "*"): DEAD,
    ("journal.c", "recover_give", "*"): DEAD,
    ("journal.c", "cvb_journal_recover", "*"): DEAD,
    ("credit.c", "keep_evidence", "*"): "the counter's CAS that follows releases the bit (C1)",
    ("credit.c", "cvb_counter_step", "cvb_load64_acq"): "the counter's acquire before it orders the head's load (C1); returned: C3",
    ("credit.c", "cvb_refill", "*"): DEAD,
    ("credit.c", "cvb_give", "*"): DEAD,
    ("flag.c", "cvb_flag_wake", "*"): FENCE,
    ("flag.c", "cvb_counter_used", "*"): "an older value is corrected by who changed the counter (F1)",
    ("flag.c", "cvb_flag_correct", "*"): FENCE,
    ("flag.c", "cvb_flag_after", "*"): "while the flag says paused it is changed by a CAS, which fails if a sleeper's bit was missed",
    ("flag.c", "cvb_flag_settle", "*"): FENCE,
    ("wait.c", "announce", "*"): FENCE,
    ("wait.c", "sleep_once", "cvb_load32_acq"): FENCE,
    ("wait.c", "is_paused", "*"): FENCE,
    ("idle.c", "*", "*"): HINT,
    ("move.c", "fill", "*"): "the mover's own unit",
    ("move.c", "move", "*"): "the journal was opened by a release before it, and T2 is changed by a CAS from an exact word",
    ("move.c", "cvb_split_queued", "*"): CAS,
    ("name.c", "own_slot", "*"): "the seat's own slots",
    ("unit.c", "*", "*"): "the fences order the two looks (tests/model/hints.c); " + HINT,
}

# Of two accesses that order the same either is enough; weakened together they show that one is needed.
TOGETHER = {
}
