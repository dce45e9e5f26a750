"""The mutants: each plants one fault into a copy of the protocol's sources.

(name, the rule that it breaks, scenarios most likely to show it, [(function, text, what it becomes), ...])
A function is found in whichever file it is, and a text in it token by token: a move to another file, another breaking
of lines and other comments change nothing. A text that is not in it exactly once stops the run, and fails
`run.py --check`, which is one of the tests of the documents.
"""

MUTANTS = [
    # ring
    ("HEADFIRST", "head moved on before the take (A8)", ["single", "mixed1"], [
        ("lease_whole", "    if (!become_leased(h, u, w, leased))",
         "    raise_hint(&e->hint->head, next, true);\n"
         "    if (!become_leased(h, u, w, leased))"),
        ("cvb_lease_single", "    if (!become_leased(h, (uint32_t)u, &w, leased))",
         "    raise_hint(&e->hint->head, head + 1, true);\n"
         "    if (!become_leased(h, (uint32_t)u, &w, leased))")]),
    ("SINGLEHINT", "the short way of a get moves the head's hint on before its take", ["single", "mixed1"], [
        ("cvb_lease_single", "    if (!become_leased(h, (uint32_t)u, &w, leased))",
         "    raise_hint(&e->hint->head, head + 1, true);\n"
         "    if (!become_leased(h, (uint32_t)u, &w, leased))")]),
    ("SINGLEKIND", "the short way of a put fills a unit of several records with one", ["kinds"], [
        ("serves_single", "CVB_USUALLY(cvb_count_of_kind(cache->kind) == 1) &&", ""),
        ("cvb_claim_next", "cvb_claim(h, u, w, 1, &cache->rows)", "cvb_claim(h, u, w, want->count, &cache->rows)"),
        ("put_quickly", "want = {(uint32_t)cache->ids, stage, 1,",
         "want = {(uint32_t)cache->ids, stage, cvb_count_of_kind(cache->kind),")]),
    ("ROWSOLD", "a claim's note has the rows as they were before claims of other kinds (B3)", ["kinds"], [
        ("cvb_use_cache", "rows_anew(&cache->rows);", "")]),
    ("SINGLELATE", "the short way of an ack lists no unit", ["single", "mixed"], [
        ("cvb_park_single", "    *error = become_idle(h, unit, u, w, 1);",
         "    (void)error;\n    cvb_store64_rlx(&unit->generation, cvb_load64_rlx(&unit->generation) + 1);\n"
         "    cvb_store64_seq(&unit->word.lo, cvb_lo_generation(CVB_IDLE, cvb_load64_rlx(&unit->generation)));\n"
         "    *error = 0;")]),
    ("OOO", "a unit leased that is not at the head (A9)", ["single", "mixed1"], [
        ("find_head", "cvb_hi_stage(word->hi) == stage && cvb_hi_mask(word->hi))\n            return 1;",
         """cvb_hi_stage(word->hi) == stage && cvb_hi_mask(word->hi)) {
            uint64_t next = cvb_load64_acq(&e->ring[(head + 1) & e->mask]);
            if (!lap_ahead(next, head + 1, e->bits)) {
                struct cvb_pair w = cvb_load_pair(&cvb_unit_at(h, slot_unit(next))->word);
                if (w.lo == cvb_lo_position(CVB_QUEUED, head + 1) && cvb_hi_stage(w.hi) == stage) {
                    *unit = slot_unit(next);
                    *word = w;
                }
            }
            return 1;
        }""")]),
    ("ADVSPLIT", "the head moved on though members are left in its unit", ["split", "mixed"], [
        ("cvb_lease_next", "        if (error != CVB_ESETTLED)\n            return error ? error : 1;",
         "        if (!whole && !error)\n            raise_hint(&e->hint->head, e->head + 1, true);\n"
         "        if (error != CVB_ESETTLED)\n            return error ? error : 1;")]),
    ("HEADHINTFULL", "a slot taken for occupied by the head hint alone (A3)", ["single", "mixed1"], [
        ("choose_behind", "if (w.lo == cvb_lo_position(CVB_QUEUED, *tail - size) && cvb_hi_stage(w.hi) == stage)",
         "(void)w;")]),
    ("EARLYPOS", "a position chosen before the unit's word is read (A1)", ["mixed", "recover", "retry"], [
        ("bump", """    if (!read_queued(h, u, stage, w))
        return false;
    if (!cvb_pair_equal(*w, seen))
        return true;
    *error = choose(h, &h->rings[stage], stage, &to);
""", """    (void)seen;
    *error = choose(h, &h->rings[stage], stage, &to);
    if (!read_queued(h, u, stage, w))
        return false;
""")]),
    ("LEFTUNSEEN", "publish returns before the unit was seen in its slot (A7)", ["directed"], [
        ("bump", "if (!cvb_pair_equal(*w, seen))\n        return true;",
         "if (!cvb_pair_equal(*w, seen))\n        return false;")]),
    ("HINTAHEAD", "the tail hint written before its slot is filled (A8)", ["single", "mixed1"], [
        ("choose", "    to->former = shown;\n",
         "    to->former = shown;\n    raise_hint(&h->rings[stage].hint->tail, tail + 1, true);\n")]),
    ("JUMPTAIL", "the head jumps over a lap that was not taken", ["single", "retry"], [
        ("other_lap", "e->head += ((uint64_t)(ahead - 1) << e->bits) + 1;",
         "e->head += (uint64_t)ahead << e->bits;")]),
    ("TAILEMPTY", "empty decided by the tail hint", ["single"], [
        ("find_head", "        if (u >= h->segment.geometry.unit_count) {\n            int more",
         "        if (head >= cvb_load64_acq(&e->hint->tail)) {\n            raise_hint(&e->hint->head, head, true);\n"
         "            return 0;\n        }\n        if (u >= h->segment.geometry.unit_count) {\n            int "
         "more")]),
    ("NOREPUBLISH", "recovery leaves a queued unit out of its slot", ["single", "recover"], [
        ("recover_word", "        return cvb_publish_helped(h, u, w);", "        return 0;")]),
    ("NOSTAGE", "a take looks at the position only, not at the stage", ["retry", "forward1"], [
        ("find_head", " && cvb_hi_stage(word->hi) == stage && cvb_hi_mask(word->hi))", " && cvb_hi_mask(word->hi))")]),
    # units
    ("HELDNOGEN", "the generation does not grow when a unit is released (A2)", ["directed"], [
        ("cvb_unhold", "    uint64_t next = cvb_lo_number(cvb_load64_acq(&unit->word.lo)) + 1;",
         "    uint64_t next = cvb_lo_number(cvb_load64_acq(&unit->word.lo));"),
        ("free_held", "cvb_lo_generation(CVB_FREE, cvb_lo_number(w.lo) + 1)",
         "cvb_lo_generation(CVB_FREE, cvb_lo_number(w.lo))")]),
    ("NORELOOK", "a hint is cleared and the unit not looked at again (B1)", ["mixed", "split"], [
        ("cvb_hold", "            if (looks_free(h, u, bitmap))\n                cvb_or64(&bits[word], bit);\n",
         "")]),
    ("NOCLASS", "a hint's class is not looked at again", ["sizes"], [
        ("is_free", "bitmap_of(h, u, cvb_hi_mask(w->hi)) == bitmap;",
         "!cvb_hi_mask(w->hi) == (bitmap >= CVB_BITMAP_LARGE(&h->segment.geometry));")]),
    ("NOHINT", "recovery does not set the bit of a free unit", ["single", "split"], [
        ("recover_word", "        cvb_set_free_hint(h, u);\n", "")]),
    ("TORN", "halves of two words are taken for one (A5)", ["directed"], [
        ("cvb_load_pair", "    } while (again != p.lo);", "    } while (0);")]),
    # moves
    ("NOHELPSPLIT", "evidence of a split is overwritten without help (A10)", ["split", "mixed"], [
        ("cvb_help_split", "    if (f.unit == unit && cvb_move_happened(&f, mover, seen))", "    if (false)")]),
    ("MOVENOJOURNAL", "members are moved without a journal", ["split", "mixed"], [
        ("move", "    cvb_journal_open(h, CVB_OP_MOVE, &f);\n", "")]),
    ("MOVEANYSEAT", "a split is taken for another mover's", ["split", "mixed"], [
        ("cvb_move_happened", "word.lo == f->before.lo && cvb_hi_seat(word.hi) == mover && !(",
         "word.lo == f->before.lo && !(")]),
    ("MOVELATE", "the journal of a move closed before its second step (J4)", ["split", "mixed"], [
        ("move", """    if (moved)
        cvb_cas_pair(&to->word, f.to_before, f.to_after);
    cvb_journal_close(h);
    return moved;""", """    cvb_journal_close(h);
    if (moved)
        cvb_cas_pair(&to->word, f.to_before, f.to_after);
    return moved;""")]),
    # credits
    ("NOHELP", "another's tag overwritten without keeping its evidence (C1)", ["single", "mixed"], [
        ("cvb_take_credits", "        keep_evidence(h, w.hi);\n", ""),
        ("add_step", "        keep_evidence(h, w.hi);\n", ""),
        ("cvb_recover_credits", "        keep_evidence(h, w.hi);\n", "")]),
    ("NARROWTAG", "the tag keeps 2 bits of seq (8 bits need more operations than a schedule has)", ["single", "mixed"],
     [
        ("tag_of", "(seq & ((UINT64_C(1) << 50) - 1)) << 3", "(seq & 3) << 3"),
        ("keep_evidence", "if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED || (cvb_head_done(now) & "
         "bit))",
         "if ((cvb_head_seq(now) & 3) != seq || cvb_head_phase(now) == CVB_CLOSED || (cvb_head_done(now) & bit))")]),
    ("TAG8", "the tag narrowed to 8 bits: 2 of the seat, 3 of seq, 3 of the step", ["single", "mixed"], [
        ("tag_of", "(uint64_t)(seat + 1) << 53 | (seq & ((UINT64_C(1) << 50) - 1)) << 3 | step",
         "(uint64_t)((seat + 1) & 3) << 6 | (seq & 7) << 3 | step"),
        ("keep_evidence", "uint32_t seat = (uint32_t)(tag >> 53) - 1;", "uint32_t seat = (uint32_t)(tag >> 6) - 1;"),
        ("keep_evidence", "uint64_t seq = tag >> 3 & CVB_SEQ_MASK;", "uint64_t seq = tag >> 3 & 7;"),
        ("keep_evidence", "if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED || (cvb_head_done(now) & "
         "bit))",
         "if ((cvb_head_seq(now) & 7) != seq || cvb_head_phase(now) == CVB_CLOSED || (cvb_head_done(now) & bit))")]),
    ("NOMAX", "evidence of one step overwrites that of another (C1)", ["single", "mixed"], [
        ("keep_evidence", "cvb_cas64(head, now, now | (uint64_t)bit << 56)",
         "cvb_cas64(head, now, (now & ~(UINT64_C(255) << 56)) | (uint64_t)bit << 56)")]),
    ("NORECHECK", "a helper whose CAS failed does not look at the evidence again", ["recover"], [
        ("cvb_recover_credits", "    for (;;) {", "    for (uint64_t once = 0;;) {"),
        ("cvb_recover_credits", "uint64_t now = cvb_load64_acq(head);",
         "uint64_t now = once ? once : (once = cvb_load64_acq(head));")]),
    ("STEPAGAIN", "a recoverer does a step without asking whether it happened", ["recover", "single", "mixed"], [
        ("cvb_recover_credits", "if (w.hi == tag || (cvb_head_done(now) >> step & 1))",
         "if (is_take(step) && (w.hi == tag || (cvb_head_done(now) >> step & 1)))")]),
    ("JIDX", "a GIVE completed from whatever the unit's word is now", ["recover", "single", "mixed"], [
        ("recover_give", "if (cvb_cas_pair(&cvb_unit_at(h, f->unit)->word, f->before, f->after))\n        "
         "cvb_set_free_hint(h, f->unit);\n    recover_returns(h, dead, head, f, 7u",
         "if (cvb_cas_pair(&cvb_unit_at(h, f->unit)->word, cvb_load_pair(&cvb_unit_at(h, f->unit)->word), "
         "f->after))\n        cvb_set_free_hint(h, f->unit);\n    recover_returns(h, dead, head, f, 7u")]),
    ("NOJCHECK", "a helper does not look at the journal's head again", ["recover", "single", "mixed"], [
        ("cvb_recover_credits", """        if (cvb_head_seq(now) != seq || cvb_head_phase(now) == CVB_CLOSED)
            return CVB_ESETTLED;
""", "")]),
    ("GIVEFIRST", "credits returned before the unit has left (C2)", ["single", "mixed"], [
        ("cvb_give", """    if (!cvb_cas_pair(&unit->word, w, freed))
        return cvb_corrupt_at_work(h);
    cvb_set_free_hint(h, u);
    give_back(h, &f, 7);
    cvb_journal_close(h);""", """    give_back(h, &f, 7);
    if (!cvb_cas_pair(&unit->word, w, freed))
        return cvb_corrupt_at_work(h);
    cvb_set_free_hint(h, u);
    cvb_journal_close(h);""")]),
    ("GIVECLOSED", "the journal closed before the credits came back", ["single", "mixed"], [
        ("cvb_give", """    cvb_set_free_hint(h, u);
    give_back(h, &f, 7);
    cvb_journal_close(h);""", """    cvb_set_free_hint(h, u);
    cvb_journal_close(h);
    give_back(h, &f, 7);""")]),
    ("NOCOMMIT", "a refill closed before its unit is reserved", ["single", "mixed"], [
        ("cvb_refill", """    if (!cvb_cas_pair(&unit->word, w, reserved))
        return cvb_corrupt_at_work(h);
    cvb_journal_close(h);""", """    cvb_journal_close(h);
    if (!cvb_cas_pair(&unit->word, w, reserved))
        return cvb_corrupt_at_work(h);""")]),
    # limits of a live segment
    ("LIMITNOTAG", "a limit is set and the counter keeps its tag (L1)", ["limits"], [
        ("heed", "    cvb_counter_renew(h, counter);\n", "")]),
    ("LIMITFIRST", "a put reads the limit before the counter (L1)", ["limits"], [
        ("cvb_take_credits", "        struct cvb_pair w = cvb_load_pair(&c->taken);",
         "        const struct cvb_marks *before = cvb_marks_of(h, counter);\n"
         "        struct cvb_pair w = cvb_load_pair(&c->taken);"),
        ("cvb_take_credits",
         "const struct cvb_marks *marks = cvb_marks_of(h, counter);", "const struct cvb_marks *marks = before;")]),
    ("TAGUNKEPT", "the evidence of the tag that a setter overwrites is not kept (C1)", ["limits"], [
        ("add_step", "        keep_evidence(h, w.hi);\n", "        if (n)\n            keep_evidence(h, w.hi);\n")]),
    ("CLAIMOVER", "a claim takes what is above a lowered limit (L2)", ["limits"], [
        ("goes_back_after_all", "if (cvb_source_stays(h, want->source) && !cvb_is_over(h, want))",
         "if (cvb_source_stays(h, want->source))")]),
    ("RECLAIMOVER", "a refused put takes a unit of its kind as it is, above a lowered limit (L2)", ["limits"], [
        ("reclaim_group", "        if (same && s->unit && !cvb_is_over(h, s->want)) {",
         "        if (same && s->unit) {")]),
    ("NOWAKELIMIT", "a level that begins anew wakes nobody", ["limitwait"], [
        ("cvb_level_begin", "    cvb_flag_wake(h, flag, CVB_WAKE_ALL);\n", "    (void)flag;\n")]),
    # idle units
    ("NOGENIDLE", "the generation does not grow when a unit becomes idle (A2)", ["reserve"], [
        ("become_idle", "    const uint64_t next = cvb_load64_rlx(&unit->generation) + 1;\n    "
         "cvb_store64_rlx(&unit->generation, next);",
         "    const uint64_t next = cvb_load64_rlx(&unit->generation);\n    cvb_store64_rlx(&unit->generation, "
         "next);")]),
    ("LISTLATE", "a unit listed after it became idle (I3)", ["single", "mixed"], [
        ("become_idle", "    append(h->list, p, u);\n", ""),
        ("become_idle", "    p->rows.note ^= NOTE_ODD_ALL;\n",
         "    p->rows.note ^= NOTE_ODD_ALL;\n    append(h->list, p, u);\n")]),
    ("NOSTEAL", "a refusal does not call idle credits back", ["single", "mixed"], [
        ("cvb_reclaim_for", "    if (idle && (reclaim(h, &s) || s.given || s.lost))",
         "    (void)reclaim;\n    if (false)")]),
    ("KINDONLY", "a refused put passes over its source's units of another length", ["mixed", "batch"], [
        ("may_hold", "return !(differs & KEY_SOURCE_MASK);", "return !(differs & KEY_MASK);")]),
    ("NOVERSION", "a refusal does not look at the versions again (I5)", ["rounds", "split"], [
        ("cvb_reclaim_for", " || versions(h) != before ||", " ||")]),
    ("NORTCHECK", "a refusal does not look again whether there is room by now", ["single", "batch", "split"], [
        ("cvb_reclaim_for", "return has_room(h, refusal, want) || ", "(void)has_room;\n    return ")]),
    ("NONOTES", "a refusal does not look at notes of what is not counted yet (I4)", ["single", "mixed"], [
        ("some_idle", "        if (cvb_note_pending(h, s, counter) > 0)", "        if (false)")]),
    ("NOTELOST", "recovery does not complete the counts of idle records (B3)", ["single", "mixed"], [
        ("cvb_note_recover", "if (changed && as_before(&c, i, row[i]))",
         "if (false && changed && as_before(&c, i, row[i]))")]),
    ("NOTEANYWAY", "recovery counts a change that has not happened (B3)", ["single", "mixed"], [
        ("cvb_note_recover", "if (changed && as_before(&c, i, row[i]))", "if (as_before(&c, i, row[i]))")]),
    ("NOTETWICE", "recovery counts a change that was counted (B3)", ["single", "mixed"], [
        ("cvb_note_recover", "if (changed && as_before(&c, i, row[i]))", "if (changed)")]),
    ("NOTELEFT", "the note of a claim that failed is left", ["tight", "mixed", "any"], [
        ("cvb_claim", "        cvb_store64_rel(&h->list->note, 0);\n", "")]),
    ("NOTESTANDS", "units of the dead change while its note stands (B4)", ["recover", "publish", "mixed", "any"], [
        ("cvb_note_recover", "        cvb_cas64(at, note, 0);\n", "        return 0;\n")]),
    ("NOTELATER", "a unit claimed before there is a note of it (I6)", ["single", "mixed"], [
        ("rows_begin", "    cvb_store64_rel(&h->list->note, rows->note | u);\n",
         "    (void)h, (void)rows, (void)u;\n")]),
    ("STEALDIRECT", "an idle unit given back without being claimed", ["single", "mixed"], [
        ("claim_entry", "    if (!want_valid(h, has) || !cvb_claim_any(h, unit_of(entry), w, has))",
         "    (void)w;\n    if (!want_valid(h, has))"),
        ("cvb_give", "bool mine = cvb_hi_seat(w.hi) == h->seat && (",
         "bool mine = cvb_lo_state(w.lo) == CVB_IDLE || (")]),
    ("OVERWRITE", "an entry that still names an idle unit is overwritten", ["single", "mixed"], [
        ("open_group", "    while (number != last && in_use(h, group_at(h, list, number)))", "    while (false)")]),
    ("EMPTYEARLY", "a group emptied of which not all was claimed", ["single", "mixed", "rounds"], [
        ("empty_claimed", "    if (claimed < CVB_IDLE_ENTRIES || ", "    if (!claimed || ")]),
    # recovery
    ("NOSEATGEN", "a journal completed without looking at the seat again (A6)", ["reseat", "recover", "publish"], [
        ("cvb_journal_recover", """        if (cvb_load64_acq(&cvb_seat_at(h, dead)->state) != state)
            return 0;
        if (!cvb_journal_valid""", """        (void)state;
        if (!cvb_journal_valid""")]),
    ("NOSEATGENPASS", "a unit recovered without looking at the seat again (A6, S1)", ["recover", "single"], [
        ("still_dead", """    if (cvb_load64_acq(&cvb_seat_at(h, seat)->state) == *died_in)
        return true;
""", "    return true;\n")]),
    ("BLINDFREE", "a recovery step that is not conditional", ["recover", "single"], [
        ("free_held", "    if (!cvb_cas_pair(&cvb_unit_at(h, u)->word, w, freed))\n        return 1;",
         "    cvb_store64_seq(&cvb_unit_at(h, u)->word.lo, freed.lo);\n"
         "    cvb_store64_seq(&cvb_unit_at(h, u)->word.hi, freed.hi);")]),
    ("NOJOURNALREC", "recovery passes over the units before the journal is completed (B5)", ["mixed", "split",
     "forward1"], [
        ("join_pass", "    int error = complete_begun(h, dead, state);\n", "    int error = 0;\n"),
        ("end_pass", "        if (!over || !cvb_cas64(",
         "        if (!over || complete_begun(h, s, state) || !cvb_cas64(")]),
    ("FREEDFIRST", "a seat freed before what it owned (B6)", ["recover", "single"], [
        ("ask_seats", "error = dead > 0 ? join_pass(h, s, state) : dead;",
         "error = dead > 0 && cvb_cas64(&cvb_seat_at(h, s)->state, state, state + 1) ? join_pass(h, s, state + 1) : "
         "0;"),
        ("end_pass", "        if (!over || !cvb_cas64(&cvb_seat_at(h, s)->state, state, state + 1))",
         "        if (!over)")]),
    ("FREEDEARLY", "a seat freed before its pass has looked at all units (B6)", ["deaths", "single", "mixed"], [
        ("go_on", "        if (!h->pass.seats || h->pass.next == units)\n            return true;",
         "        if (!h->pass.seats || h->pass.next)\n            return true;")]),
    ("JOINMIDDLE", "a seat joins a pass in the middle (B6)", ["recover", "deaths", "mixed"], [
        ("join_pass", "    h->pass.died_in[dead] = state;\n    h->pass.next = 0;\n",
         "    h->pass.died_in[dead] = state;\n")]),
    ("NORETRY", "a redelivered record keeps its retry count", ["single", "retry"], [
        ("tries_after_death", "    return cvb_hi_failed(hi) | ", "    return (hi & CVB_HI_TRIES) | ")]),
    ("LOCKLATE", "the number locked after a seat says it", ["recover", "single", "names"], [
        ("take_number", "        const int taken = cvb_lock_number(h, number);", "        const int taken = 0;"),
        ("enter_seat", "    sit(h, s);\n", "    cvb_lock_number(h, h->number);\n    sit(h, s);\n")]),
    ("SEATGAP", "a seat entered for the first time before one below it (B8)", ["recover", "single", "names"], [
        ("take_seat", "first = hint < used ? hint : used % seats;", "first = hint;\n    (void)used;")]),
    ("NUMBERAGAIN", "a handle gets a number that a dead one had (S2)", ["recover", "single", "names"], [
        ("take_number", "(cvb_add64(&h->lookout->attaches, 1) << 1 | 1)", "(((uint64_t)tries << 1 | 1))")]),
    # moving on
    ("LOALONE", "a restage told by half of the word", ["retry", "forward1"], [
        ("recover_restage", "} else if (!cvb_pair_equal(now, entering)) {", "} else if (now.lo != entering.lo) {")]),
    ("LATELOOK", "what was to enter is not read between two equal heads (B7)", ["replace1", "replace"], [
        ("cvb_journal_fields", "    return cvb_load64_acq(&j->head) == head;", "    return true;")]),
    ("HEADLOST", "results that are given no header lose that of their record", ["replace1", "replace"], [
        ("replace_members", "(h->cells.header_room && cvb_keep_headers(h, lease, part, b, r))", "0")]),
    ("HEADLATE", "the header is kept after the exchange, when others may have the record", ["replace1", "replace"], [
        ("replace_members", "(h->cells.header_room && cvb_keep_headers(h, lease, part, b, r))", "0"),
        ("replace_members", "        *members = part;\n        if (!error ||",
         "        *members = part;\n        if (!error && h->cells.header_room)\n"
         "            cvb_keep_headers(h, lease, part, b, r);\n        if (!error ||")]),
    ("SETTLEFIRST", "a replaced lease settled before its result is in", ["replace1", "replace"], [
        ("cvb_replace", "    if (cvb_enqueue(h, b, f.to_before, to, 0) || !cvb_cas_pair(&old->word, w, f.after))",
         "    if (!cvb_cas_pair(&old->word, w, f.after) || cvb_enqueue(h, b, f.to_before, to, 0))")]),
    ("EARLYDEAD", "a dead letter one delivery too early", ["single", "mixed1"], [
        ("deliverable", "failures <= cvb_retries_of(h, stage)", "failures < cvb_retries_of(h, stage)")]),
    ("COMPANYBLAMED", "a death in company counts against a record (B2)", ["batch", "split"], [
        ("tries_after_death", " | (hi & CVB_HI_COMPANY ? CVB_HI_SUSPECT : 0);", ";")]),
    ("SUSPECTINCOMPANY", "what is suspect is leased in company (B2)", ["batch", "split"], [
        ("cvb_marks_of_lease", "    return hi & CVB_HI_SUSPECT ? CVB_HI_SUSPECT : h->company;",
         "    return (hi & CVB_HI_SUSPECT) | h->company;")]),
    ("DEADKEEPSSOURCE", "a dead letter keeps its source's credit", ["retry", "revive"], [
        ("give_after_move", "    if (f->to_stage == CVB_STAGE_DEAD_LETTER)\n        cvb_return_credits(",
         "    if (false)\n        cvb_return_credits(")]),
    ("REVIVEDFREE", "what leaves the dead letters takes no credit of its source", ["revive", "mixed"], [
        ("take_for_move", "    const bool revives = f->stage == CVB_STAGE_DEAD_LETTER && f->to_stage != "
         "CVB_STAGE_DEAD_LETTER;", "    const bool revives = false;")]),
    ("REVIVALKEPT", "a refused revival keeps its source's credit", ["revive", "mixed"], [
        ("take_for_move", "            cvb_return_credits(h, CVB_BACK_SOURCE, f);\n        }", "        }")]),
    ("REVIVALLOST", "recovery of a revival forgets its source's credit", ["revive", "mixed"], [
        ("cvb_returns_of_abort", "    return (taken >> CVB_TAKE_SOURCE & 1) << CVB_BACK_SOURCE | ", "    return ")]),
    ("DLDIRECT", "recovery moves dead letters itself", ["retry", "recover"], [
        ("redeliver", "    int error = cvb_enqueue(h, u, w, stage, tries_after_death(w.hi));",
         "    int cvb_restage(struct cvb_handle *h, uint32_t unit, uint32_t to);\n"
         "    int error = cvb_hi_failures(w.hi) >= h->segment.settings.max_retries && stage\n"
         "                    ? cvb_restage(h, u, CVB_STAGE_DEAD_LETTER)\n"
         "                    : cvb_enqueue(h, u, w, stage, tries_after_death(w.hi));")]),
    # waiting
    ("NOWAKEDATA", "a publish wakes nobody", ["wait"], [
        ("published", "    cvb_flag_wake(h, cvb_flag_of_data(cvb_hi_stage(queued.hi)), "
         "cvb_mask_count(cvb_hi_mask(queued.hi)));\n",
         "    (void)h;\n")]),
    ("WAKEONE", "a publish of several records wakes one sleeper", ["crowd"], [
        ("published", "cvb_flag_of_data(cvb_hi_stage(queued.hi)), cvb_mask_count(cvb_hi_mask(queued.hi)));",
         "cvb_flag_of_data(cvb_hi_stage(queued.hi)), 1);")]),
    ("BITLOST", "a waker takes the waiters bit away though sleepers may be left (F5)", ["wait"], [
        ("wake_waiters", "woken < most ? CVB_FLAG_WAITERS : 0", "CVB_FLAG_WAITERS")]),
    ("WOKENLEFT", "a sleeper announces itself and the last waker does not see it (F5)", ["wait"], [
        ("cvb_announce", "shown = (now | bits) & ~CVB_FLAG_WOKEN;", "shown = now | bits;")]),
    ("NOTPASSEDON", "who slept on several flags keeps the wake-ups of all", ["wait"], [
        ("cvb_wait_records", "    if (there > 0 && slept && count > 1)", "    if (false)")]),
    ("NOWAKEROOM", "returned credits wake nobody", ["wait"], [
        ("cvb_return_credits", "    cvb_level_returned(h, counter, f->count);\n", "")]),
    ("NOWAKEANY", "a publish wakes nobody who sleeps on the common word", ["wait"], [
        ("wake_waiters", "        cvb_flag_wake_any(h);\n        over |=", "        over |=")]),
    ("NOWAKELEVEL", "a flag that is lowered wakes nobody", ["wait"], [
        ("change", "    if (lifted)\n        cvb_flag_wake(h, flag, CVB_WAKE_ALL);\n", "    (void)lifted;\n")]),
    ("NOWAKEFORROOM", "who waits for one record less sleeps until the level is low", ["wait"], [
        ("cvb_level_returned", "(now & CVB_FLAG_ROOM || !(now & CVB_FLAG_PAUSED))", "!(now & CVB_FLAG_PAUSED)")]),
    ("ROOMBITLOST", "a change of the level forgets that somebody waits for room", ["room"], [
        ("change", "(now & CVB_FLAG_SLEEPERS)", "(now & CVB_FLAG_WAITERS_EITHER)")]),
    ("SLEEPBLIND", "a sleeper does not look again after it has set its bit (F1)", ["wait"], [
        ("cvb_sleep_once", "    int there = w->look(h, w, true);\n"
         "    if (there || !cvb_must_sleep(h, w, flag, set.count))",
         "    int there = 0;\n    if (!set.count)")]),
    ("FOUNDBYSLOT", "waiting finds a record by its slot, though its unit was taken", ["wait", "waitkill"], [
        ("cvb_ring_has_data",
         "    struct cvb_pair word;\n    return find_head(h, &h->rings[stage], stage, &unit, &word);",
         """    struct cvb_pair word;
    struct cvb_ring_view *e = &h->rings[stage];
    if (!lap_ahead(cvb_load64_acq(&e->ring[e->head & e->mask]), e->head, e->bits))
        return 1;
    return find_head(h, &h->rings[stage], stage, &unit, &word);""")]),
    ("IDLECOUNTED", "credits left do not count idle ones", ["mixed1", "mixed"], [
        ("cvb_live", "    int64_t live = cvb_counter_used(h, counter) - cvb_idle_count(h, counter);",
         "    int64_t live = cvb_counter_used(h, counter);")]),
    # by hand, and events
    ("HOLDUNSEEN", "a get does not look whether its stage is held", ["hand", "handwait"], [
        ("get_leases",
         "    if (__builtin_expect(cvb_given_pauses(cvb_load64_acq(&h->rings[stage].data->given)), false))",
         "    if (false)")]),
    ("NOWAKEHAND", "what is lifted wakes nobody", ["handwait"], [
        ("replace", "        cvb_hand_wake(h, flag);", "        (void)h;")]),
    ("NOWAKEHELD", "a stage that is let go wakes nobody who slept before it was held", ["held"], [
        ("cvb_hold_stage", "        cvb_flag_wake(h, flag, CVB_WAKE_ALL);", "        (void)flag;")]),
    ("ONEHELDSLEEP", "who waits for several stages sleeps though the flag of one was not announced", ["held"], [
        ("cvb_must_sleep", "w->any_brings_it ? announced == n : announced;", "announced;")]),
    ("REASONTORN", "a reason is told though its reference has changed meanwhile", ["hand"], [
        ("cvb_hand_read", "        if (again == given)", "        if (again == given || true)")]),
    ("REASONINUSE", "a reason is written that a flag refers to", ["hand"], [
        ("take_reason", " || is_referred_to(h, i, w))", ")")]),
    ("REASONSHARED", "a reason is written by two at once", ["hand"], [
        ("take_reason", "        if ((!own && cvb_is_being_written(h, w)) ||", "        if ((!own && false) ||")]),
    ("REASONLATE", "a signal is given before its reason is written", ["hand"], [
        ("cvb_hand_give", "    write_reason(reason_at(h, i), source, text);\n", ""),
        ("cvb_hand_give", "    cvb_cas_pair(&reason_at(h, i)->owner, mine,",
         "    write_reason(reason_at(h, i), source, text);\n    cvb_cas_pair(&reason_at(h, i)->owner, mine,")]),
    ("EVENTTORN", "an event is told though its slot has changed meanwhile", ["hand"], [
        ("read_event", "    return cvb_load64_acq(&slot->word.lo) == done;", "    return true;")]),
    ("EVENTSHARED", "an event is written into a slot that a slower writer has", ["hand"], [
        ("claim_slot", " || cvb_is_being_written(h, w))", ")")]),
    ("EVENTOLD", "an event is written over a later one", ["hand"], [
        ("claim_slot", "(w.lo && w.lo >> 2 >= n) || ", "")]),
    # leases
    ("OWNLATE", "what was read in a payload is stored there after the lease has ended (U1)", ["mixed1", "any"], [
        ("cvb_park", "    return become_idle(h, unit, u, w, n);\n}",
         """    uint64_t *word = (uint64_t *)(void *)cvb_payload(h, cvb_load32_rlx(&cvb_member_at(h, u, 0)->cell), 0);
    uint64_t read = word ? cvb_load64_rlx(word) : 0;
    int error = become_idle(h, unit, u, w, n);
    if (word && !error)
        cvb_store64_rlx(word, read);
    return error;
}""")]),
    # names
    ("SLOTAGAIN", "a name slot that was given away is written again", ["names"], [
        ("own_slot", "        if (reference == cvb_load32_rlx(staged) + 1)\n            cvb_store32_rlx(staged, i);",
         "        if (false)\n            cvb_store32_rlx(staged, i);")]),
    # positions
    ("HIGHNONE", "an ack raises no `high` (G1)", ["position1", "position"], [
        ("raise_high", "    if (first)", "    if (first && last > 99)")]),
    ("HIGHLATE", "`high` is raised after the unit is idle (G1)", ["position1", "position"], [
        ("cvb_park_single", "    raise_high(h, unit, u, w);\n    *error = become_idle(h, unit, u, w, 1);",
         "    *error = become_idle(h, unit, u, w, 1);\n    raise_high(h, unit, u, w);"),
        ("give_acked", "    return cvb_give(h, u);",
         "    raise_high(h, cvb_unit_at(h, u), u, w);\n    return cvb_give(h, u);"),
        ("cvb_park", "    raise_high(h, unit, u, w);\n", ""),
        ("cvb_park", "    return become_idle(h, unit, u, w, n);",
         "    int error = become_idle(h, unit, u, w, n);\n    raise_high(h, unit, u, w);\n    return error;")]),
    ("HIGHINGIVE", "`high` is raised after the journal of a GIVE is open (G1)", ["position3", "position1"], [
        ("cvb_park", "    raise_high(h, unit, u, w);\n", ""),
        ("cvb_park", "    return become_idle(h, unit, u, w, n);",
         "    raise_high(h, unit, u, w);\n    return become_idle(h, unit, u, w, n);"),
        ("cvb_give", "    cvb_journal_open(h, CVB_OP_GIVE, &f);\n",
         "    cvb_journal_open(h, CVB_OP_GIVE, &f);\n"
         "    struct cvb_span span = cvb_span_of(h, u, cvb_is_live(w) ? cvb_hi_mask(w.hi) : 0);\n"
         "    cvb_row_high(h, &span);\n")]),
    ("HIGHNOTMOVED", "`high` is not raised by what moves to another unit (G1)", ["position2", "position"], [
        ("take_positions", "    cvb_row_high(h, span);\n", ""),
        ("cvb_replace", "    cvb_row_high(h, &span);\n", "")]),
    ("HIGHUNSEEN", "positions of a queued unit are believed, and its word not read again (G2)",
     ["directed"], [
        ("take_positions", "        return false;\n", "        (void)t;\n")]),
    ("LOWNONE", "a mover notes no low (G3)", ["position2", "position"], [
        ("cvb_row_low", "    if (span->lowest == CVB_NO_POSITION)", "    if (span->lowest)")]),
    ("LOWLATE", "a mover notes its low after its first change (G3 e)", ["position2", "position"], [
        ("move", "    cvb_row_low(h, &span);\n    bool moved = cvb_cas_pair(&cvb_unit_at(h, t)->word, seen, less);\n",
         "    bool moved = cvb_cas_pair(&cvb_unit_at(h, t)->word, seen, less);\n    cvb_row_low(h, &span);\n")]),
    ("LOWEARLY", "a mover reads the survey's number before its journal is open (G3 b, d)", ["position2", "position"], [
        ("move",
         "    cvb_journal_open(h, CVB_OP_MOVE, &f);\n    tell_dead_moves(h, seen);\n    cvb_row_low(h, &span);\n",
         "    cvb_row_low(h, &span);\n    cvb_journal_open(h, CVB_OP_MOVE, &f);\n    tell_dead_moves(h, seen);\n")]),
    ("LOWLAST", "of several moves during a survey only the last one counts (G3 d)", ["directed"], [
        ("cvb_row_low", "    } else if (span->lowest < cvb_load64_rlx(&row->low)) {", "    } else {")]),
    ("LOWKEPT", "a low of moves long ago stays: no survey is exact (G3 d)", ["position", "position2"], [
        ("cvb_row_low",
         "        cvb_store64_rel(&row->low, span->lowest);\n        cvb_store64_rel(&row->epoch, epoch);\n",
         "        if (!cvb_load64_rlx(&row->epoch) || span->lowest < cvb_load64_rlx(&row->low))\n"
         "            cvb_store64_rel(&row->low, span->lowest);\n"
         "        cvb_store64_rel(&row->epoch, epoch);\n"),
        ("look_at_rows", "            if (epoch == k)", "            if (epoch)")]),
    ("EPOCHFIRST", "a mover's epoch is written before its low (G8)", ["position", "position2"], [
        ("cvb_row_low",
         "        cvb_store64_rel(&row->low, span->lowest);\n        cvb_store64_rel(&row->epoch, epoch);\n",
         "        cvb_store64_rel(&row->epoch, epoch);\n        cvb_store64_rel(&row->low, span->lowest);\n")]),
    ("LOWREADFIRST", "a survey reads a row's low before its epoch (G8)", ["position", "position2"], [
        ("look_at_rows", "const uint64_t epoch = cvb_load64_acq(&row->epoch), low = cvb_load64_acq(&row->low);",
         "const uint64_t low = cvb_load64_acq(&row->low), epoch = cvb_load64_acq(&row->epoch);")]),
    ("LASTEPOCH", "rows of survey k - 1 count too: a quiet survey is not exact (G5)", ["position", "position2"], [
        ("look_at_rows", "            if (epoch == k)", "            if (epoch && epoch + 1 >= k)")]),
    ("BOUNDLATE", "the bound is read after the units (G5)", ["position1", "position"], [
        ("make_survey", "    look_at_rows(h, sources, k);\n",
         "    look_at_rows(h, sources, k);\n    for (uint32_t source = 0; source < sources; source++)\n"
         "        h->found[source].bound = cvb_highest_gone(h, source);\n")]),
    ("NOJOURNALS", "a survey does not look at journals (G5)", ["position", "position2"], [
        ("look_at_journal", "    if (open > 0 && ", "    if (false && ")]),
    ("JOURNALGIVEN", "a survey gives up a journal that changes while it is open (G5)", ["directed"], [
        ("cvb_journal_survey", "CVB_ECORRUPT;\n", "CVB_ECORRUPT;\n        return 0;\n")]),
    ("ROWSFIRST", "a survey reads the rows before the units (G5)", ["position4", "position2"], [
        ("make_survey", "    look_at_units(h, sources);\n    look_at_rows(h, sources, k);\n",
         "    look_at_rows(h, sources, k);\n    look_at_units(h, sources);\n")]),
    ("SURVEYLATE", "a survey says what it found although a later one has begun (G5)", ["position2", "position4"], [
        ("make_survey", "const bool last = cvb_load64_acq(&h->survey->number) == k;", "const bool last = true;")]),
    ("UNITTORN", "a survey believes the positions of a unit that has changed (G5)", ["directed"], [
        ("look_at_unit", "    } while (!cvb_pair_equal(w, seen));", "    } while (false);")]),
    ("UNITSLAST", "accepted: the rows are read before the units (G4)", ["position1", "position"], [
        ("cvb_accepted", """    look_for_accepted(h, source + 1);
    add_gone(h, source);
""", """    const uint64_t gone = cvb_highest_gone(h, source);
    look_for_accepted(h, source + 1);
    if (gone > h->found[source].highest)
        h->found[source].highest = gone;
""")]),
    ("UNITSLASTALL", "accepted of all sources: the rows are read before the units (G4)", ["position1", "position"], [
        ("cvb_accepted_all", """    look_for_accepted(h, sources);
    for (uint32_t source = 0; source < sources; source++)
        add_gone(h, source);
""", """    uint64_t gone[8];
    for (uint32_t source = 0; source < sources; source++)
        gone[source] = cvb_highest_gone(h, source);
    look_for_accepted(h, sources);
    for (uint32_t source = 0; source < sources; source++)
        if (gone[source] > h->found[source].highest)
            h->found[source].highest = gone[source];
""")]),
    ("NOCLAIM", "two producers of a source put with positions (G6)", ["position1", "position"], [
        ("claim_source", "        if (holds)", "        if (holds < 0)")]),
    ("CLAIMBEFORE", "the state that a claim names is asked for before the seat's owner is (G6)", ["position3"], [
        ("claim_holds", "    const int dead",
         "    if (cvb_load64_acq(&cvb_seat_at(h, seat)->state) << SEAT_BITS != (owner & ~SEAT_MASK))\n"
         "        return 0;\n    const int dead"),
        ("claim_holds",
         "    return cvb_load64_acq(&cvb_seat_at(h, seat)->state) << SEAT_BITS == (owner & ~SEAT_MASK);",
         "    return 1;")]),
    ("CLAIMLATE", "accepted is asked before the source is claimed (G6)", ["position1", "position"], [
        ("open_source", "    int error = claim_source(h, id);",
         "    const uint64_t next = cvb_accepted(h, place, &live);\n    int error = claim_source(h, id);"),
        ("open_source", "cvb_position_told(h, place, cvb_accepted(h, place, &live)) + 1;",
         "cvb_position_told(h, place, next) + 1;")]),
    ("REPLACEHIGH", "`high` is raised after the new unit of a REPLACE is queued (G1)", ["directed"], [
        ("cvb_replace", "    cvb_row_high(h, &span);\n", ""),
        ("cvb_replace", "    if (cvb_enqueue(h, b, f.to_before, to, 0) || !cvb_cas_pair(&old->word, w, f.after))\n",
         "    if (cvb_enqueue(h, b, f.to_before, to, 0))\n        return cvb_corrupt_at_work(h);\n"
         "    cvb_row_high(h, &span);\n    if (!cvb_cas_pair(&old->word, w, f.after))\n")]),
    ("REPLACELOW", "the low of a REPLACE is noted after its first change (G3 e)", ["directed"], [
        ("cvb_replace", "    cvb_row_low(h, &span);\n", ""),
        ("cvb_replace", "    if (cvb_enqueue(h, b, f.to_before, to, 0) || !cvb_cas_pair(&old->word, w, f.after))\n",
         "    if (cvb_enqueue(h, b, f.to_before, to, 0))\n        return cvb_corrupt_at_work(h);\n"
         "    cvb_row_low(h, &span);\n    if (!cvb_cas_pair(&old->word, w, f.after))\n")]),
    ("GONEUNTOLD", "who counts an idle unit late, which another has already, tells no sleeper", ["counted"], [
        ("parked_in_need", "            cvb_level_returned(h, counter[x], has.count);\n",
         "            (void)x;\n")]),
    # delays
    ("DUEOLD", "a unit's time is one that was read before its word (D1)", ["directed"], [
        ("due_of", "        return cvb_load64_acq(&h->due[u]);", "        return due;"),
        ("end_delay", "    cvb_cas64(&h->due[u], due, 0);", "    (void)due;")]),
    ("DUELATE", "a unit's time is written after its word (D1)", ["delay"], [
        ("cvb_delay", "    cvb_store64_rel(&h->due[u], due_ns);\n", ""),
        ("cvb_delay", "    lower_bounds(h, u, due_ns);",
         "    cvb_store64_rel(&h->due[u], due_ns);\n    lower_bounds(h, u, due_ns);")]),
    ("BOUNDKEPT", "who delays a unit leaves bounds that are low enough as they are (D2)", ["directed"], [
        ("lower_bounds", "        } while (!cvb_cas_pair(bound, seen, lower));",
         "        } while (is_sooner(due, seen.hi) && !cvb_cas_pair(bound, seen, lower));")]),
    ("LOOSEBOUND", "a unit below a bound that is too low is taken for the first (D3)", ["delay"], [
        ("end_first", "due <= now_ns && due <= bound", "due <= now_ns && (bound || due)"),
        ("end_first", "        tighten(h, level, index);",
         "        if (!ended)\n            tighten(h, level, index);")]),
    ("BOUNDAGAIN", "a node that was chosen by its bound is taken by what it says now (D3)", ["directed"], [
        ("end_first", "bound = due;", "bound = cvb_load64_acq(&bound_of(h, level - 1, child)->hi);")]),
    ("DUEUNSEEN", "an entry goes before its unit was seen in its slot (D3)", ["delay"], [
        ("due_of", "        cvb_publish_helped(h, u, *w);\n", "        (void)0;\n")]),
    ("DUELEASED", "the entry of a unit that is about to be delayed is cleared", ["delay"], [
        ("due_of", "cvb_lo_state(w->lo) == CVB_LEASED", "0")]),
    ("DUEUNTOLD", "recovery does not announce what the dead had delayed (D2)", ["delay"], [
        ("recover_word", "        cvb_delay_announce(h, u);", "        (void)0;")]),
    ("DUEMISSED", "a get that has ended delays does not look again whether others have", ["directed"], [
        ("get_any", " || cvb_delay_used(h))", ")")]),
    ("DUESOON", "a delay ends before its time", ["delay"], [
        ("end_first", "due <= now_ns &&", "due &&"),
        ("cvb_delay_end", "if (!next || next > now_ns)", "if (!next)")]),
    # names of sources that are retired
    ("NAMEUNSEEN", "a put that has taken a credit does not look whether its source is retired (E1)",
     ["retire1", "retire"], [
        ("obtain_new", "return error || cvb_source_stays(h, want->source) ? error : give_up(h, *u);",
         "return error;")]),
    ("NAMEEARLY", "a put looks whether its source is retired before it has the credit (E1)", ["retire1", "retire"], [
        ("obtain_new", "return error || cvb_source_stays(h, want->source) ? error : give_up(h, *u);",
         "return error;"),
        ("obtain_new", "    cvb_refusal_begin(h);",
         "    if (!cvb_source_stays(h, want->source))\n        return CVB_EUNKNOWN;\n    cvb_refusal_begin(h);")]),
    ("CLAIMUNNAMED", "a put that has claimed an idle unit does not look whether its source is retired (E1)",
     ["retire1", "retire"], [
        ("goes_back", "const bool named = cvb_load64_acq(&of_source->named.lo) == want->source;",
         "const bool named = true;\n    (void)want;")]),
    ("MARKLATE", "the credits are looked at before the place is marked (E1)", ["retire1", "retire"], [
        ("try_retire", "    if (!cvb_source_known(h, id))",
         "    const bool unused = is_unused(h, place, id);\n    if (!cvb_source_known(h, id))"),
        ("try_retire", "    if (!is_unused(h, place, id)) {", "    if (!unused) {")]),
    ("MARKANY", "a name is retired by whichever mark is there (E1)", ["retire1", "retire"], [
        ("try_retire", "return cvb_cas_pair(named, marked, clearing) ? 0 : CVB_EBUSY;",
         "w = cvb_load_pair(named);\n"
         "    return w.lo == marked.lo && cvb_cas_pair(named, w, clearing) ? 0 : CVB_EBUSY;")]),
    ("CREDITSUNSEEN", "a name is retired though credits of it are taken (E1)", ["retire1", "retire"], [
        ("is_unused", "if (cvb_load64_acq(&c->returned.lo) != taken.lo)", "if (false)")]),
    ("DEADUNSEEN", "a name is retired though there are dead letters of it (E3)", ["retire1", "retire"], [
        ("holds_dead_letters", "    if (is_moving(h, place))\n        return true;", "    return false;")]),
    ("DEADUNMARKED", "a record becomes a dead letter, and its source's place is not marked (E3)",
     ["retire1", "retire"], [
        ("cvb_restage", "        has_dead_letters(h, f.source);", "        (void)has_dead_letters;")]),
    ("DEADLATE", "a source's place is marked after its dead letter has given its credit back (E3)", ["directed"], [
        ("cvb_restage", "        has_dead_letters(h, f.source);", ""),
        ("cvb_restage", "cvb_flag_tell_dead_letter(h, f.stage, f.source, f.count);",
         "has_dead_letters(h, f.source);")]),
    ("OPENUNSEEN", "a name is retired though a handle has opened it (E1)", ["retire2"], [
        ("is_unused", "cvb_source_claimed(h, id) ||", "")]),
    ("OPENEARLY", "a source is opened, and not looked at after that (E1)", ["retire2"], [
        ("open_source", "if (!cvb_source_stays(h, id))", "if (false)")]),
    ("IDAGAIN", "a place's next name gets the id of the last one", ["retire1", "retire"], [
        ("cvb_place_clear", "cvb_named_lo(CVB_NAMED_FREE, id + (1u << CVB_GENERATION_SHIFT))",
         "cvb_named_lo(CVB_NAMED_FREE, id)")]),
    ("CLEARKILLED", "what a process that died has not cleared stays so", ["retire1", "retire"], [
        ("look_for", "            cvb_place_clear(h, i);", "            (void)i;")]),
    ("CLEARNOT", "the counts of a place's next name go on from the last one's (E2)", ["retire1", "retire"], [
        ("cvb_place_clear", "    begin_counts(h, place, w);", "    (void)begin_counts;")]),
    ("BASENOT", "the positions of a place's next name go on from the last one's (E2)", ["retire2"], [
        ("cvb_place_clear", "    begin_positions(h, place, w);", "    (void)begin_positions;")]),
    ("NAMEDTWICE", "a name is given though others were since the places were looked at", ["directed"], [
        ("name_place", "const bool named = cvb_cas_pair(&h->lookout->naming, naming, next);",
         "const bool named = cvb_cas_pair(&h->lookout->naming, cvb_load_pair(&h->lookout->naming), next);")]),
    ("NAMINGLEFT", "a naming is announced before the last one is complete", ["directed"], [
        ("last_naming", "    if (!h->observer)\n        complete(h, naming);", "")]),
    ("NAMESLOTUSED", "a name is written over that a place has (N2)", ["retire", "retire1"], [
        ("take_slot", "        if (slot_in_use(h, i, w))\n            continue;", "        (void)slot_in_use;")]),
    ("NAMESLOT", "a name is written over that a dead process has announced (N2)", ["directed"], [
        ("take_slot", "        last_naming(h);\n", "")]),
    ("DEADMOVED", "a walk over dead letters misses what moves meanwhile (E3)", ["directed"], [
        ("holds_dead_letters", "return cvb_load64_acq(&h->lookout->dead_moves) != moves;",
         "(void)moves;\n    return false;")]),
    ("DEADMOVING", "a walk over dead letters misses what has begun to move before it (E3)", ["directed"], [
        ("holds_dead_letters", "    if (is_moving(h, place))\n        return true;", "    (void)is_moving;")]),
    ("DEADTOLDLATE", "a dead letter moves before its mover says so (E3)", ["directed"], [
        ("move", "    tell_dead_moves(h, seen);\n", ""),
        ("move", "    cvb_journal_close(h);\n", "    cvb_journal_close(h);\n    tell_dead_moves(h, seen);\n")]),
    ("REVIVEDUNSEEN", "the counter is not looked at again after the walk over dead letters (E3)", ["directed"], [
        ("is_unused", "    return cvb_pair_equal(cvb_load_pair(&c->taken), taken);", "    return true;")]),
    ("BASELATE", "the base of a place's positions is set when it has another name (E2)", ["directed"], [
        ("begin_positions", "if (gone > before && still(h, place, w))", "(void)w;\n    if (gone > before)")]),
]

# Faults that this protocol cannot show, and why.
EXPLAINED = [
    ("QUICKERENDS", "a recoverer leaves the other seats of its pass when somebody was quicker with one",
     "all that their owners had is back by then: the next recovery frees the seats"),
    ("EMPTYLATE", "a group emptied whatever it has become meanwhile",
     "lists lap too seldom: tests/model/empty.c and tests/unit/reuse.c show it"),
    ("OTHERFLAG", "slept on a flag though another one says no by now",
     "only longer trains show it, after 166,000 schedules: explore-trains --scenario wait"),
    ("NOHEADPASS", "a slot is overwritten without a look at its unit",
     "a ring has a slot for each credit, and a unit holds its credit until it has left"),
    ("NOJUMP", "the head goes over a lap one by one", "it only costs steps, and a schedule is too short to count them"),
    ("UNSIGNED", "limits compared unsigned", "a torn look refuses; every refusal is looked at again (NORTCHECK)"),
    ("ABOVEKEPT", "a refused put gives back what it needs, and not what is above a lowered limit",
     "so few records are given back by its eight looks all the same: tests/unit/limit.c shows it"),
    ("OVEREARLY", "a put looks at the flags before its claim, not after it (L2)",
     "the limit must be set between two accesses of a put: tests/model/limits.c shows it"),
    ("OVERSTALE", "a level that begins anew keeps its word, so an older look takes OVER away",
     "two who set a limit and one who looks must stop at three places: 4,000 schedules do not show it"),
    ("NOPHASE", "what an abort gives back is not fixed before",
     "evidence stays in the journal's head until it is closed, so every recoverer finds the same"),
    ("NOVERIFY", "a flag is changed and the counter not looked at again",
     "whoever sleeps has settled the flag after it set its bit (SLEEPBLIND)"),
    ("NAIVERC", "the retry count raised beside the unit", "it is a part of the unit's word (NORETRY)"),
    ("D mutants", "cells of a train taken one by one", "members have no words here: MOVE has mutants of its own"),
    ("RELAXED", "acquire and release weakened", "the explorer is sequentially consistent: tests/model/run --edges"),
    ("NOTQUICKER", "a refusal after somebody was quicker with an idle unit",
     "false only while he is stopped between claim and "
     "give, and the room is not missed for long: 800,000 schedules do not show it"),
    ("help rows", "evidence in a row of the helper's own",
     "there are none: it is a bit in the journal's head (NOHELP, NOMAX)"),
    ("NOREVAL", "a member taken though its train has changed",
     "members have no words here: MOVE has mutants of its own"),
    ("NOLSPLIT", "a train requeued as a whole",
     "a unit that was split has fewer members in its mask, and goes back as that"),
]

# Those that take some 100,000 schedules to catch: left out by run.py --quick.
SLOW = {"LATELOOK", "NORECHECK", "NOSEATGEN", "NOTPASSEDON"}

# Those that the histories alone do not show (run.py --histories): what is hidden costs only room, and a refusal is
# exact only when nobody else is at work; lost wake-ups; names; and those that end an operation with an error or not
# at all.
UNSEEN = {"NAMEUNSEEN", "NAMEEARLY", "CLAIMUNNAMED", "MARKLATE", "MARKANY", "CREDITSUNSEEN", "DEADUNSEEN",
          "DEADUNMARKED", "DEADLATE", "OPENUNSEEN", "OPENEARLY", "IDAGAIN",
          "CLEARKILLED", "CLEARNOT", "BASENOT", "NAMEDTWICE", "NAMINGLEFT", "NAMESLOTUSED", "NAMESLOT",
          "DEADMOVED", "DEADMOVING", "DEADTOLDLATE", "REVIVEDUNSEEN", "BASELATE",
          "HIGHNONE", "HIGHLATE", "HIGHINGIVE", "HIGHNOTMOVED", "HIGHUNSEEN", "LOWNONE", "LOWLATE", "LOWEARLY",
          "LOWLAST", "LOWKEPT", "EPOCHFIRST", "LOWREADFIRST", "LASTEPOCH", "BOUNDLATE", "NOJOURNALS",
          "JOURNALGIVEN", "ROWSFIRST", "SURVEYLATE", "UNITTORN", "UNITSLAST", "UNITSLASTALL", "CLAIMLATE",
          "CLAIMBEFORE", "REPLACEHIGH", "REPLACELOW",
          "WAKEONE", "BITLOST", "WOKENLEFT", "NOTPASSEDON", "NORELOOK", "NOHINT", "NORECHECK", "NOJCHECK", "GIVEFIRST",
          "NOVERSION", "NORTCHECK", "NONOTES", "NOSEATGEN", "NOWAKEDATA", "NOWAKEROOM", "NOWAKEANY", "NOWAKEHAND",
          "NOWAKEHELD", "ONEHELDSLEEP", "HOLDUNSEEN", "REASONTORN", "REASONINUSE", "REASONSHARED", "REASONLATE",
          "EVENTTORN", "EVENTSHARED", "EVENTOLD", "NOWAKELEVEL", "NOWAKEFORROOM",
          "ROOMBITLOST", "SLEEPBLIND", "SLOTAGAIN", "HEADHINTFULL", "EARLYPOS",
          "HELDNOGEN", "NOCLASS", "STEPAGAIN", "NOGENIDLE", "NOSEATGENPASS", "LOCKLATE",
          "TORN", "LIMITNOTAG", "LIMITFIRST", "TAGUNKEPT", "CLAIMOVER", "RECLAIMOVER", "NOWAKELIMIT",
          "GONEUNTOLD"}
