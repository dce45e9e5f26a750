"""Why weakening an access shows nothing: (function or file, how the access begins, or "*") -> the reason. The
first key that fits counts. A file is named without its room. Pairs are those of lib/MEMORY-MODEL.md."""

CAS = "what it reads is changed by a compare-and-swap from exactly that, or looked at again"
DEAD = ("the dead one's stores are ordered by the kernel; between recoverers each step is a compare-and-swap from an "
        "exact word")
FENCE = "the fences of F1 order it; the flag is changed by a compare-and-swap from what was read"
HINT = "a hint: the unit's word decides"
OWN = "the seat's own unit: nobody else changes its word (W1), and coherence shows its own stores"
COUNT = "for those who count: nothing is decided by it, and with nobody at work all that it counts happened before (W2)"

EXPLAINED = {
    ("cvb_delay", "cvb_store64_rel"): "a second order: the CAS of the word comes after it (D1)",
    ("lower_bounds", "cvb_load_pair"): "the CAS from what was read decides, and nothing below the node is read (D2)",
    ("lower_bounds", "cvb_load64_acq(&h->due[u])"):
        "a recoverer has seen the word (acquire), and the entry was written before it (D1)",
    ("choose_behind", "cvb_load_pair"): "a ring that was full is looked at again, and the slot's CAS decides",
    ("read_queued", "*"): CAS,
    ("bump", "*"): "the payload came with the word before; the slot's CAS that follows releases both (P1)",
    ("cvb_publish_helped", "cvb_load64_acq"): "a stale look makes the slot's CAS fail",
    ("cvb_publish_helped", "cvb_cas64"):
        "the owner's release of the word reaches the taker without the helper (P2)",
    ("cvb_enqueue", "cvb_cas_pair"):
        "the slot's CAS that follows releases it (P1); a helper reads it after a death, or fails its CAS",
    ("cvb_lease_single", "*"): "the same accesses as in find_head, which the models run",
    ("become_leased", "*"):
        "the slot's acquire has brought the unit (P1); LEASED is read by others after a death only",
    ("lease_part", "*"): OWN,
    ("follow", "*"): "for the head a stale hint costs a look",

    ("cvb_high_raise", "*"): "the word's release that follows carries it as well (G1)",
    ("cvb_highest_gone", "*"): "the word's acquire before it brings it as well (G1)",
    ("take_positions", "*"): "as look_at_unit, and the CAS of the word decides (G2)",
    ("look_at_unit", "*"): "as K1, which peek shows: a model of two writers of a unit would be that one again",
    ("limit_now", "*"): "the acquire of `taken`, or of the flag, before it orders it (L1, L2)",
    ("thresholds_now", "*"): "as limit_now: they are stored as a limit is",
    ("store_limit", "*"): "the CAS of `taken` that follows releases it (L1); the model does this store itself",
    ("cvb_set_thresholds", "cvb_fence"):
        "as F1, with a name in place of a flag: who gets one reads the thresholds after its CAS",
    ("cvb_set_thresholds", "*"): "as in cvb_set_limit",
    ("limit.c", "*"): "one word, which brings nothing but itself",

    ("publish", "*"): CAS,
    ("make_survey", "*"):
        "a later number was loaded by the mover whose low was read (G8); two surveys are the explorer's",
    ("begin", "cvb_load64_acq"): CAS,
    ("cvb_journal_survey", "*"): "as cvb_journal_read (J1, J2)",
    ("claim_holds", "*"): "as cvb_seat_dead (S2); a seat that was left released what its owner had put",
    ("claim_source", "*"): CAS,
    ("open_source", "cvb_fence"): "retire does this itself, with OPEN (E1)",
    ("obtain_new", "cvb_fence"): "retire does this itself (E1)",
    ("open_source", "*"): "a claim goes that has held nothing",
    ("cvb_source_close", "*"):
        "releases what its owner has put to who claims the source next, by the same word; who looks at units then (G6)",
    ("cvb_source_claimed", "*"): "the fence after the mark orders it (E1)",
    ("cvb_id_named", "*"): "what an id stands for is read by loads of their own",
    ("is_referred_to", "*"): "the owner's CAS and the fence after it come before the stores (H2)",
    ("take_reason", "cvb_load_pair"): "in the model one gives alone; of two DONE brings the reference of the other",
    ("take_reason", "cvb_cas_pair"): "the fence after it orders the stores (H2)",
    ("replace", "cvb_load64_acq"): CAS,
    ("cvb_hand_give", "*"): "DONE lets others have it; in the model one gives alone",
    ("cvb_event_death", "*"): "who is the first to tell of a death: nothing is decided by it",
    ("read_event", "cvb_load64_acq(&slot->word.lo) == done"):
        "the fence before it orders it (H2); of the word itself coherence is enough",
    ("next_event", "*"): "a hint: the slot says whether the event is there",
    ("in_use", "*"):
        "the owner has made it IDLE himself: coherence shows that or later; else the place serves again sooner or "
        "later",
    ("open_group", "cvb_store64_rel(&list->groups, number);"):
        "it opens nothing: what was opened before it was released by the same thread's stores to the same word",
    ("open_group", "cvb_store64_rel(&open->group->header"):
        "the store of groups after it releases it (I2); entries of a former use carry their versions",
    ("flags_of_parked", "*"): "before the listing a hint; after it the fence orders it (F4)",
    ("parked_in_need", "*"): "the fence in become_idle orders it (F4)",
    ("scan_list", "*"):
        "a unit that is not seen is found by the search after a refusal (I1, I2), which goes through all lists",
    ("look_again", "*"): "as in scan_list",
    ("walk", "*"): "as in scan_list",
    ("remember_group", "*"): "as in scan_list; for the payload the word's order serves as well (U1)",
    ("empty_claimed", "*"):
        "a hint that there is nothing; who claims writes after the claim, which the unit's word orders (U1)",
    ("scan_lists", "*"):
        "a list that is passed over is found by the search after a refusal (I1, I2), which goes through all",
    ("waits", "*"):
        "who gives back writes no payload, and the next holder acquires the whole chain of changes of the word; "
        "what must not be missed has come with the rows (I3)",
    ("reclaim_group", "*"):
        "who gives back writes no payload, and the next holder acquires the whole chain of changes of the word; "
        "what must not be missed has come with the rows (I3)",
    ("claim_entry", "*"): "as in reclaim_group; the word decides (W1)",
    ("reclaim_list", "*"):
        "the header came with the rows (I3); one that is newer belongs to a listing that is counted after it",
    ("mark_listed", "*"): COUNT,
    ("is_lost", "*"): COUNT,

    ("cvb_journal_close", "*"):
        "not needed: whose operation is over needs no evidence (J4); the next opening has its own fence (J2)",
    ("cvb_journal_fields", "cvb_load64_acq"):
        "the fence before it orders (J2); of the head itself coherence is enough",
    ("cvb_help_split", "*"): CAS,
    ("recover_move", "*"): DEAD,
    ("recover_returns", "*"): DEAD,
    ("recover_refill", "*"): DEAD,
    ("recover_give", "*"): DEAD,
    ("recover_restage", "*"): DEAD,
    ("cvb_journal_recover", "cvb_load64_acq(&j->head)"):
        "the fence in cvb_journal_fields orders the fields and the seat after it (J2, S1)",
    ("cvb_journal_recover", "cvb_load64_acq(&cvb_seat_at"):
        "the fence in cvb_journal_fields is before it (J2, S1); all after it are compare-and-swaps from what was "
        "read before",

    ("free_held", "*"): "from exactly the word that was read before the seat's (S1)",
    ("give_reserved", "*"): "as free_held",
    ("still_dead", "cvb_load64_acq"):
        "the word's acquire before it orders it (S1); what follows is a CAS from exactly that word",
    ("cvb_recover_reserved", "*"): OWN,
    ("settle_units", "*"): OWN,
    ("still", "cvb_load_pair"): "the fence before it orders it (E2), and a CAS from what was read before follows",
    ("begin_positions", "*"):
        "the fence in still comes after the load; the CAS of the place's word that follows releases the base (E2)",
    ("begin_counts", "*"): "as begin_positions",
    ("is_of", "*"): "as look_at_unit; and the last of three loads that are all acquires (E3)",
    ("holds_dead_letters", "*"): "the counter's acquire before it brings it; and the units' before the last one (E3)",
    ("is_unused", "cvb_load_pair"):
        "an older value only refuses: so many credits can't have come back before they were taken; and of the second "
        "look the acquires before it order it",
    ("try_retire", "cvb_load_pair"): "the CAS is from exactly this",
    ("try_retire", "cvb_cas_pair"): "the fence after it orders it (E1), and what was seen brings nothing",
    ("cvb_source_stays", "*"): "the caller's fence orders it (E1), and it brings nothing",
    ("has_dead_letters", "*"): "the CAS of the source's credit that follows releases it (E3)",
    ("cvb_source_at", "*"): "for display: each use of the id asks for its name anew",
    ("complete", "cvb_load_pair"): "the CAS is from exactly this",
    ("slot_in_use", "*"):
        "the writer's word, read before it, brings what its writer has named; the fence before the bytes orders it, N2",
    ("take_slot", "cvb_cas_pair"):
        "the fence after it releases it (N2), and what its last writer did is ordered by the load before it",

    ("enter_seat", "cvb_cas64"):
        "each unit that the new owner takes is taken by a CAS that releases this (S1), and so does the opening of "
        "his journal (J1)",
    ("enter_seat", "*"): "the seat's state (S2, S3) has brought the last owner's number of its journal",
    ("try_free", "*"): "the CAS is from exactly this",
    ("leave", "*"): "the lock that is given up after it orders (S2)",

    ("keep_evidence", "*"): "the counter's CAS that follows releases the bit (C1)",
    ("cvb_take_credits", "cvb_load64_acq"): "an old value of returned only refuses (C3)",
    ("cvb_recover_credits", "cvb_load64_acq"): "the counter's acquire before it orders the head's load (C1)",
    ("cvb_step_happened", "*"): COUNT,
    ("cvb_refill", "cvb_store64_seq"): "not needed: the counter's CAS that follows releases it (C1)",
    ("cvb_refill", "*"): DEAD,
    ("cvb_give", "*"): DEAD,

    ("cvb_flag_wake", "*"): FENCE,
    ("wake_waiters", "*"):
        "the word is changed by compare-and-swaps alone, and the kernel compares it under its lock (F2)",
    ("look_is_due", "*"): "a hint: it decides only when somebody looks",
    ("lookout.c", "*"): "hints: they decide only how long somebody sleeps",
    ("cvb_flag_wake_any", "*"): "the kernel compares it under its lock (F2); it was changed, whoever did it",
    ("flag.c", "*"): FENCE,
    ("cvb_counter_used", "*"): "an older value is corrected by who changed the counter (F1)",
    ("cvb_seats_used", "*"):
        "the seat was entered before its owner counted or listed anything, so what orders that brings the seat too "
        "(I3, F1, F4); and the seats before it, which its owner had seen entered (B8)",
    ("idle_of_seat", "*"):
        "for levels the fences order it (F1); for refusals the first load of a seat's rows is enough (I3)",
    ("begin_epoch", "*"): CAS,
    ("cvb_level_moved", "*"): CAS,
    ("change", "*"): FENCE,
    ("level.c", "*"): FENCE,
    ("cvb_announce", "*"): FENCE,
    ("cvb_wait_set_begin", "*"): FENCE,
    ("is_paused", "*"): FENCE,

    ("move", "*"):
        "the journal was opened by a release before it, and T2 is changed by a CAS from an exact word",
    ("move.c", "*"): OWN,
    ("intern", "*"): "after its own CAS, which has acquired",
    ("own_slot", "*"): "the seat's own slots",
    ("name_of", "*"): "as in intern (N1)",
    ("unit.c", "*"): "the fences order the two looks (F3); " + HINT,

    ("look", "cvb_load_pair"): "the fence before it orders it (K1); of the word itself coherence is enough",
    ("cvb_peek", "*"): "a stale hint costs some looks",

    ("restage.c", "*"): OWN,
    ("forward.c", "*"): OWN,
    ("obtain.c", "*"): OWN,
    ("reserve.c", "*"): OWN,
    ("settle.c", "*"): OWN + "; what it has given up before shows itself by another lo",
    ("audit.c", "*"): COUNT,
    ("pending.c", "*"): COUNT,
    ("census.c", "*"): COUNT,
    ("peer.c", "*"): "for those who look: nothing is decided by it",
}

# Of the accesses of a group each orders what the others do: weakened all at once they show that one is needed.
TOGETHER = [
    # U1, U2: the reader has read before, and the next payload is written after.
    [("append", "cvb_store64_rel(&open->group->entry"),
     ("become_idle", "cvb_store64_rel(&unit->word.lo")],
    [("remember_group", "cvb_load64_acq(at"),
     ("fits", "cvb_load_halves"), ("cvb_claim", "cvb_cas_pair"), ("goes_back", "cvb_fence")],
    # S3: who takes a freed seat sees that nothing is its last owner's.
    [("try_free", "cvb_load64_acq"), ("enter_seat", "cvb_cas64"),
     ("cvb_seat_dead", "cvb_load64_acq")],
    # H2: who writes into a slot comes after who wrote there before.
    [("claim_slot", "cvb_load_pair"), ("claim_slot", "cvb_cas_pair")],
    # K1: word, fields and payload of a record that is looked at.
    [("find_waiting", "cvb_load64_acq"), ("find_waiting", "cvb_load_pair")],
]
