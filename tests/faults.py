"""Faults to plant, and the test that must turn red for each: who watches the watchers.

A fault is one slip of the hand in one place. Two locks are kept, and each needs a fault of its own.
The one that a `Writing` begins with: without it, or with it taken behind the look at the tail, two
servers decide on the same knowledge. Positions are unique, so nothing wrong is ever stored, but one
of the two fails; hence those faults show as orders that were refused by no rule. The one in the
trigger: the service has it already, so only somebody else who appends can miss it.

What no test can see is not here: `Transactor._failed` forgets what it knew, but a draft reaches
`Knowledge` only behind a commit that has succeeded, so it would be right without.
"""

from typing import NamedTuple


class Fault(NamedTuple):
    """`old` occurs once in `file`; with `new` in its place, `test` must fail."""

    name: str
    file: str
    old: str
    new: str
    test: str


_ACCEPTED = (
    "test_definition.py::test_a_command_is_accepted_or_refused_as_the_rules_of_the_books_say"
)
_STATE = "test_definition.py::test_a_deal_at_any_point_stands_as_the_oracle_folds_it"
_BOUNDS = (
    "test_definition.py::test_no_credit_is_ever_below_nothing_above_its_weight_or_above_the_whole"
)
_SUMS = "test_definition.py::test_the_postings_sum_to_the_portfolio_at_any_point"
_ROWS = "test_definition.py::test_the_last_row_known_for_a_day_shows_the_deal_as_it_stood"
_OWN_STEP = (
    "test_definition.py"
    "::test_an_entry_in_time_posts_its_own_step_only_and_a_late_one_nothing_before_its_day"
)
_CHANGED = "test_definition.py::test_what_a_step_changed_is_the_difference_of_what_was_held"
_STREAM = "test_definition.py::test_a_history_read_from_its_stream_is_the_history_that_was_recorded"
_SPLIT = "test_definition.py::test_a_split_is_exact_fair_and_gives_ties_to_the_earlier"
_LEDGER = (
    "test_ledger.py"
    "::test_every_question_is_answered_from_the_ledger_as_the_definition_and_the_oracle_do"
)
_SNAPSHOTS = "test_snapshots.py::test_dropping_them_changes_no_answer"
_MEMORY = (
    "test_memory.py"
    "::test_whatever_is_recorded_between_two_questions_memory_answers_as_the_definition"
)
_AT_ONCE = "test_memory.py::test_what_is_in_memory_with_all_that_was_recorded_is_told_at_once"
_PARTS = "test_memory.py::test_rows_told_in_parts_are_the_rows_told_at_once"
_WRITTEN = "test_api.py::test_portfolios_go_out_as_their_shape_would_be_written"
_SEEN = "test_memory.py::test_a_point_sees_each_row_learnt_and_effective_by_then_and_no_other"
_PROMISED = "test_contract.py::test_every_answer_is_one_that_the_documentation_promises"
_LISTS = "test_access.py::test_lists_and_sums_hold_what_one_may_see_and_no_more"
_MOVERS = "test_access.py::test_lists_and_sums_are_of_those_who_were_in_the_team_then_and_are_today"
_FILTER = "test_access.py::test_a_filter_shows_nobody_more"
_TAKEN_AWAY = "test_access.py::test_a_role_that_is_taken_away_counts_from_the_next_request"
_FORGED = "test_sign_in.py::test_what_another_site_has_a_browser_send_changes_nothing"
_FORGOTTEN = "test_reads.py::test_who_is_forgotten_is_an_id_and_every_figure_stays"
_STANDBYS_PAUSED = (
    "test_standbys.py"
    "::test_while_the_standbys_replay_nothing_the_primary_answers_and_then_they_do_again"
)
_RULE_OR_ANSWER = "test_concurrency.py::test_nobody_is_told_anything_but_an_answer_or_a_rule"

FAULTS = (
    # ------------------------------------------------------------------ the rules of a deal
    Fault(
        "the cap is off by a basis point",
        "domain/deal.py",
        "        return WHOLE - self.progress\n",
        "        return WHOLE - self.progress + 1\n",
        _BOUNDS,
    ),
    Fault(
        "a claim counts before it is confirmed",
        "domain/deal.py",
        "        entries=nominal if claimed else _counted(deal, nominal),\n",
        "        entries=_counted(deal, nominal),\n",
        _STATE,
    ),
    Fault(
        "a raise also makes good what the cap had cost",
        "domain/deal.py",
        "min(weight - old, deal.room)",
        "min(weight - action.credit, deal.room)",
        _STATE,
    ),
    Fault(
        "a lowered weight leaves the credit above it",
        "domain/deal.py",
        "        entries = _taken(entries, excess)\n",
        "        pass\n",
        _BOUNDS,
    ),
    Fault(
        "a setback takes equal parts from all who hold credit",
        "domain/deal.py",
        "    shares = split(amount, [credit for _, _, credit in held])\n",
        "    shares = split(amount, [credit > 0 for _, _, credit in held])\n",
        _STATE,
    ),
    Fault(
        "what is given back may exceed the action's weight",
        "domain/deal.py",
        "min(taking.amount, lender.weight - lender.credit, deal.room)",
        "min(taking.amount, deal.room)",
        _BOUNDS,
    ),
    Fault(
        "what is given back may exceed 100 % of the deal",
        "domain/deal.py",
        "min(taking.amount, lender.weight - lender.credit, deal.room)",
        "min(taking.amount, lender.weight - lender.credit)",
        "test_definition.py::test_what_a_setback_gives_back_stops_at_the_whole_of_the_deal",
    ),
    Fault(
        "a handover without transfer takes the credit along",
        "domain/deal.py",
        "    if not event.transfer_credit:\n",
        "    if event.transfer_credit is None:\n",
        _STATE,
    ),
    Fault(
        "a suspended deal cannot be won",
        "domain/deal.py",
        "case PotentialCheckRevised() | ExpectedCloseRevised() | DealWon() | DealLost():\n"
        "            return _not_underway(deal)",
        "case PotentialCheckRevised() | ExpectedCloseRevised() | DealWon() | DealLost():\n"
        "            return _not_open(deal)",
        _ACCEPTED,
    ),
    # ------------------------------------------------------------------ what it is worth
    Fault(
        "the rest of a split is lost",
        "domain/values.py",
        "    if left:\n",
        "    if left < 0:\n",
        _SPLIT,
    ),
    Fault(
        "ties go to the later share",
        "domain/values.py",
        "key=lambda i: -(whole * shares[i] % total))",
        "key=lambda i: (-(whole * shares[i] % total), -i))",
        _SPLIT,
    ),
    Fault(
        "a contract's odd kopeck goes by name and not by the earliest action",
        "domain/ledger.py",
        "    credit = credits_of(deal) or {deal.owner: 1}\n",
        "    credit = dict(sorted(credits_of(deal).items())) or {deal.owner: 1}\n",
        "test_definition.py"
        "::test_the_odd_kopeck_of_a_contract_goes_by_the_earliest_action_that_still_holds_credit",
    ),
    Fault(
        "a withdrawn action is still counted as performed",
        "domain/deal.py",
        "    counted = action.live and not action.is_setback\n",
        "    counted = not action.is_setback\n",
        _STATE,
    ),
    Fault(
        "a dead claim is still a claim",
        "domain/deal.py",
        "    claimed = action.claimed and counted\n",
        "    claimed = action.claimed and not action.is_setback\n",
        _STATE,
    ),
    Fault(
        "a claimed setback is a claim below nothing",
        "domain/deal.py",
        "    claimed = action.claimed and counted\n",
        "    claimed = action.claimed and action.live\n",
        _STATE,
    ),
    Fault(
        "a stake keeps what the action was before it changed",
        "domain/deal.py",
        "            _stake(stakes, before, -1)\n",
        "",
        _STATE,
    ),
    Fault(
        "the owner's deal becomes theirs once more with their first credit in it",
        "domain/ledger.py",
        "        deals = 0 if manager == owner else now.in_the_deal - was.in_the_deal\n",
        "        deals = now.in_the_deal - was.in_the_deal\n",
        _CHANGED,
    ),
    Fault(
        "a revised check leaves the value of earlier credit as it was",
        "domain/deal.py",
        "            and self.check == other.check\n",
        "",
        _CHANGED,
    ),
    Fault(
        "whoever acts is written as they are",
        "domain/events.py",
        "        to_json(recorded.actor),\n",
        "        b'\"%b\"' % recorded.actor.encode(),\n",
        "test_stored_events.py::test_whoever_acts_is_read_as_they_were_written",
    ),
    # ------------------------------------------------------------------ what versions share
    Fault(
        "what is added to an older version of a sequence is added to the newest",
        "domain/growing.py",
        "        if not length or len(items) > length:  # an",
        "        if not length:  # an",
        "test_growing.py::test_a_version_of_a_sequence_holds_what_was_in_it_when_it_was_made",
    ),
    Fault(
        "a key that is added to an older version takes another's place",
        "domain/growing.py",
        "        if not length or len(places) > length:  # likewise\n",
        "        if not length:\n",
        "test_growing.py::test_a_version_of_a_mapping_holds_what_was_in_it_when_it_was_made",
    ),
    Fault(
        "what is replaced is replaced in the versions before as well",
        "domain/growing.py",
        "        values = self._values[: self._length]\n        for",
        "        values = self._values\n        for",
        "test_growing.py::test_a_version_of_a_mapping_holds_what_was_in_it_when_it_was_made",
    ),
    Fault(
        "an older version knows the keys of the newer ones",
        "domain/growing.py",
        "        return self._values[place] if place < length else None\n",
        "        return self._values[place] if place < len(self._values) else None\n",
        "test_growing.py::test_a_version_of_a_mapping_holds_what_was_in_it_when_it_was_made",
    ),
    # ------------------------------------------------------------------ the two times
    Fault(
        "a day ends before its own events",
        "domain/history.py",
        "fact for fact in events if on(fact) <= as_of and fact.position <= position",
        "fact for fact in events if on(fact) < as_of and fact.position <= position",
        _STATE,
    ),
    Fault(
        "what a position tells is not yet known at it",
        "domain/history.py",
        "fact for fact in events if on(fact) <= as_of and fact.position <= position",
        "fact for fact in events if on(fact) <= as_of and fact.position < position",
        _STATE,
    ),
    Fault(
        "an amendment stands by its own position, when a stream is read",
        "domain/history.py",
        "        return on(fact), anchor, own\n",
        "        return on(fact), own, own\n",
        _STREAM,
    ),
    Fault(
        "an amendment stands by its own position, when it is recorded",
        "domain/history.py",
        "            return on(recorded), self.deal.actions[event.action_id].position, own\n",
        "            return on(recorded), own, own\n",
        _ACCEPTED,
    ),
    Fault(
        "a late event is checked at its own place only",
        "domain/history.py",
        "        if reason := obstacle(deal, event):\n",
        "        if reason := None:\n",
        _ACCEPTED,
    ),
    Fault(
        "a late event leaves the steps that it changes as they were remembered",
        "domain/history.py",
        "        recent = (*self.recent[: -len(later)], *after)[-RECENT:]\n",
        "        recent = (*after[:1], *self.recent)[-RECENT:]\n",
        _STREAM,
    ),
    Fault(
        "an event that is later than what is remembered is put among it all the same",
        "domain/history.py",
        "        if count <= len(self.recent):\n",
        "        if count > 0:\n",
        _SUMS,
    ),
    Fault(
        "a late event does not post what it changes later",
        "domain/history.py",
        "for old, new in zip(before, after[1:], strict=True)",
        "for old, new in zip(before[:0], after[:0], strict=True)",
        _SUMS,
    ),
    Fault(
        "a late event posts its later steps on its own date",
        "domain/history.py",
        "            account,\n            on(due),\n",
        "            account,\n            on(learnt),\n",
        _SUMS,
    ),
    Fault(
        "a late event writes anew also the days that it leaves as they were",
        "domain/history.py",
        "        if was.get(day) != row:\n",
        "        if day:\n",
        _OWN_STEP,
    ),
    Fault(
        "a late event does not rewrite the days behind it",
        "domain/history.py",
        "        if was.get(day) != row:\n",
        "        if day == on(learnt):\n",
        _ROWS,
    ),
    # ------------------------------------------------------------------ the questions in SQL
    Fault(
        "the sum of a portfolio ends before the day",
        "projections/snapshots.py",
        "{_SINCE_THE_CUT} AND effective_on <= asked.day\n",
        "{_SINCE_THE_CUT} AND effective_on < asked.day\n",
        _LEDGER,
    ),
    Fault(
        "a movement begins with the day `from`",
        "projections/movement.py",
        "AND effective_on > %(first)s AND effective_on <= %(last)s",
        "AND effective_on >= %(first)s AND effective_on <= %(last)s",
        _LEDGER,
    ),
    Fault(
        "a restatement tells again what was known at its beginning",
        "projections/restatement.py",
        "AND position > %(first)s AND position <= %(last)s",
        "AND position >= %(first)s AND position <= %(last)s",
        _LEDGER,
    ),
    Fault(
        "a deal is listed as last learnt and not as of the day",
        "projections/deals.py",
        "    ORDER BY effective_on DESC, position DESC LIMIT 1\n",
        "    ORDER BY position DESC, effective_on DESC LIMIT 1\n",
        _LEDGER,
    ),
    Fault(
        "a point of a series leaves out its own day",
        "projections/series.py",
        "        while row is not None and row[0] <= day:\n",
        "        while row is not None and row[0] < day:\n",
        _LEDGER,
    ),
    # ------------------------------------------------------------------ snapshots
    Fault(
        "a snapshot is asked of a cut that knows more than the question",
        "projections/snapshots.py",
        " AND cut <= cut.position\n",
        "\n",
        _SNAPSHOTS,
    ),
    Fault(
        "the day of the mark is counted twice",
        "projections/snapshots.py",
        "\neffective_on > asked.mark AND",
        "\neffective_on >= asked.mark AND",
        _SNAPSHOTS,
    ),
    Fault(
        "what was learnt since the cut is counted with it",
        "projections/snapshots.py",
        "position + 0 <= cut.position\n",
        "position + 0 <= %(position)s\n",
        _SNAPSHOTS,
    ),
    Fault(
        "a late entry changes only its own mark",
        "projections/snapshots.py",
        "FROM changed JOIN marks ON mark >= since\n",
        "FROM changed JOIN marks ON mark = since\n",
        _SNAPSHOTS,
    ),
    Fault(
        "a cut goes on from the first snapshot of a mark",
        "projections/snapshots.py",
        "        ORDER BY old.cut DESC LIMIT 1\n",
        "        ORDER BY old.cut LIMIT 1\n",
        _SNAPSHOTS,
    ),
    Fault(
        "whoever has no news has no snapshot at a new mark",
        "projections/snapshots.py",
        "        SELECT manager, currency, last_mark + 1 FROM holders",
        "        SELECT manager, currency, last_mark + 1000000 FROM holders",
        _SNAPSHOTS,
    ),
    Fault(
        "who has a first posting is not asked about",
        "application/log.py",
        "SELECT DISTINCT manager, currency FROM posted WHERE NOT EXISTS (\n",
        "SELECT DISTINCT manager, currency FROM posted WHERE manager < 3 AND NOT EXISTS (\n",
        _LEDGER,
    ),
    Fault(
        "a rebuilt ledger asks about nobody who is new since it was begun",
        "projections/unfinished.py",
        "FROM staged_postings AS staged LEFT JOIN managers USING (manager_id) ON CONFLICT",
        "FROM staged_postings AS staged JOIN managers USING (manager_id) LIMIT 1 ON CONFLICT",
        "test_rebuild.py::test_rows_made_by_several_processes_are_those_that_the_service_wrote",
    ),
    Fault(
        "a manager who is registered while a rebuild is under way has no number in it",
        "projections/unfinished.py",
        "  AND notification_id > (SELECT coalesce(max(manager), 0) FROM managers)\n",
        "  AND notification_id > (SELECT coalesce(max(manager), 0) + 10000000 FROM managers)\n",
        "test_rebuild.py::test_rows_made_by_several_processes_are_those_that_the_service_wrote",
    ),
    Fault(
        "an older ledger is taken for one of this version",
        "api/schema.py",
        "            if path is None and not is_new:\n",
        "            if path is None and is_new:\n",
        "test_upgrade.py::test_the_ledger_is_made_anew_and_goes_on",
    ),
    Fault(
        "a snapshot is closed beyond what a rebuild has replayed",
        "projections/rebuild.py",
        "close_next_cut(connection, FRESH, position)",
        "close_next_cut(connection, FRESH, None)",
        "test_rebuild.py::test_what_is_recorded_meanwhile_is_in_it",
    ),
    Fault(
        "marks in Python are not those of the database",
        "projections/snapshots.py",
        "timedelta(days=day.day // 8 * 8 - 1)",
        "timedelta(days=(day.day - 1) // 8 * 8 - 1)",
        "test_snapshots.py::test_the_database_and_python_have_the_same_marks",
    ),
    Fault(
        "whoever comes second to close a cut waits for it and closes it again",
        "projections/snapshots.py",
        "        if not alone[0] or end - before < every:\n",
        "        if end - before < every:\n",
        "test_snapshots.py::test_several_may_close_them_at_once",
    ),
    # ------------------------------------------------------------------ reading on standbys
    Fault(
        "a standby is asked whatever it knows",
        "api/standbys.py",
        ".fetchone() != event:\n",
        ".fetchone() is None:\n",
        _STANDBYS_PAUSED,
    ),
    Fault(
        "a standby of another history passes for one of ours",
        "api/standbys.py",
        "while cursor.execute(_EVENT_AT_A_STANDBY, [position]).fetchone() != event:\n",
        "while cursor.execute(_EVENT_AT_A_STANDBY, [position]).fetchone()[0] != event[0]:\n",
        "test_standbys.py"
        "::test_a_standby_that_follows_another_primary_now_answers_only_what_is_common_to_both",
    ),
    Fault(
        "a promoted standby passes for a standby",
        "api/standbys.py",
        "AS event WHERE pg_is_in_recovery()\n",
        "AS event\n",
        "test_standbys.py::test_a_promoted_standby_is_asked_no_more",
    ),
    Fault(
        "the primary does not answer instead of a standby",
        "api/standbys.py",
        "            standby.rest(error)\n        return",
        "            standby.rest(error)\n            raise\n        return",
        _STANDBYS_PAUSED,
    ),
    Fault(
        "a standby that cannot answer is asked again and again",
        "api/standbys.py",
        "        self._rests_until = monotonic() + REST_SECONDS\n",
        "        self._rests_until = monotonic()\n",
        "test_standbys.py::test_standbys_that_are_far_behind_are_left_alone_for_a_while",
    ),
    Fault(
        "a standby is not waited for",
        "api/standbys.py",
        "                if monotonic() > until:\n",
        "                if until:\n",
        "test_standbys.py::test_a_standby_that_is_a_little_behind_is_waited_for",
    ),
    Fault(
        "the primary adds up what a standby was found for",
        "api/standbys.py",
        "                return question(cursor)\n",
        "                return question(primary)\n",
        "test_standbys.py"
        "::test_answers_are_byte_for_byte_those_of_the_primary_and_the_standbys_add_them_up",
    ),
    Fault(
        "a standby is asked for names",
        "api/portfolios.py",
        "        called = names(at.cursor)\n",
        "        called = at.read(point.position, names)\n",
        "test_standbys.py::test_a_name_that_was_erased_is_told_by_no_standby",
    ),
    Fault(
        "a question does not hear that its standby hangs",
        "api/standbys.py",
        "            self._gone.set()\n            self._pool",
        "            self._pool",
        "test_standbys.py"
        "::test_a_question_that_is_under_way_when_its_standby_hangs_goes_to_the_primary_in_time",
    ),
    Fault(
        "a standby that hangs is waited for as long as the primary",
        "api/standbys.py",
        "FIRST_SECONDS = 0.4\n",
        "FIRST_SECONDS = 4\n",
        "test_standbys.py::test_standbys_that_hang_are_asked_once_and_then_left_alone",
    ),
    Fault(
        "a long question has no more time on a standby than a short one",
        "api/standbys.py",
        "            yield cursor\n",
        "            yield connection.question()\n",
        "test_standbys.py::test_a_long_question_is_not_cut_short",
    ),
    Fault(
        "what took as long as it may begins again on the primary",
        "api/standbys.py",
        "        except psycopg.errors.QueryCanceled:  # it took as long as a question may\n"
        "            raise\n",
        "",
        "test_standbys.py"
        "::test_what_takes_longer_than_a_question_may_is_not_begun_again_on_the_primary",
    ),
    Fault(
        "standbys are never asked",
        "api/asking.py",
        "        return self.service.standbys.read(self.cursor, position, question)\n",
        "        return question(self.cursor)\n",
        "test_standbys.py"
        "::test_answers_are_byte_for_byte_those_of_the_primary_and_the_standbys_add_them_up",
    ),
    # ------------------------------------------------------------------ what goes out
    Fault(
        "a name goes out as it is",
        "api/answers.py",
        'to_json({"manager_id": who, "name": called.get(who)}).decode()[1:-1] + ","',
        'f\'"manager_id":"{who}","name":"{called.get(who)}",\'',
        _WRITTEN,
    ),
    Fault(
        "a claim goes out as nothing",
        "api/answers.py",
        "        if claimed or suspended or lost or won:\n",
        "        if suspended or lost or won:\n",
        "test_api.py::test_the_rows_of_a_portfolio_sum_to_its_totals",
    ),
    Fault(
        "a rouble is told with a digit less",
        "domain/values.py",
        "    if value >= 1_000_000:  # likewise\n",
        "    if value >= 100_000:  # likewise\n",
        "test_definition.py"
        "::test_amounts_are_told_exactly_with_two_decimals_or_as_many_as_they_need",
    ),
    Fault(
        "who was there at one earlier point is told for another",
        "projections/directory.py",
        "            known = self._told.get(number)\n",
        "            known = next(iter(self._told.values()), None)\n",
        "test_api.py::test_who_was_there_at_an_earlier_point_is_told_for_each",
    ),
    Fault(
        "who was there before an event is told as after it",
        "projections/directory.py",
        "bisect_right(events, position, key=_POSITION)",
        "bisect_right(events, position + 1, key=_POSITION)",
        "test_api.py::test_who_was_there_at_an_earlier_point_is_told_for_each",
    ),
    # ------------------------------------------------------------------ what is kept in memory
    Fault(
        "memory ends before the position asked about",
        "projections/timeline.py",
        "            learnt = bisect_right(positions, position)\n        if learnt and",
        "            learnt = bisect_right(positions, position - 1)\n        if learnt and",
        _SEEN,
    ),
    Fault(
        "memory takes the rows of a day before the last for all of them",
        "projections/timeline.py",
        "        if learnt and newest[learnt - 1] <= day:\n",
        "        if learnt and newest[learnt - 1] <= day + 1:\n",
        _SEEN,
    ),
    Fault(
        "memory leaves out a late row of the day itself",
        "projections/timeline.py",
        "map(day.__ge__, behind)",
        "map(day.__gt__, behind)",
        _SEEN,
    ),
    Fault(
        "of two states of a day memory takes the earlier",
        "projections/timeline.py",
        "            if row < 0 or days[place] >= days[row]:\n",
        "            if row < 0 or days[place] > days[row]:\n",
        _MEMORY,
    ),
    Fault(
        "memory takes the state last learnt and not the one of the last day",
        "projections/timeline.py",
        "        while row > 0 and days[row] < newest[row]:\n",
        "        while row > 0 and days[row] < 0:\n",
        _MEMORY,
    ),
    Fault(
        "a deal is taken for over while more of it is known than is asked about",
        "projections/book.py",
        "        if day >= last_day and position >= last_position:\n",
        "        if day >= last_day:\n",
        _MEMORY,
    ),
    Fault(
        "deals are told as one while one of them is underway",
        "projections/book.py",
        "        if day >= self.last[0] and position >= self.last[1]:\n",
        "        if position >= self.last[1]:\n",
        _MEMORY,
    ),
    Fault(
        "a run has not begun until all of its deals have",
        "projections/book.py",
        "        self._first = min(first_days), min(first_positions)\n",
        "        self._first = max(first_days), max(first_positions)\n",
        _MEMORY,
    ),
    Fault(
        "a day before the last is taken for now",
        "projections/book.py",
        "        if day >= last[0] and position >= last[1]:\n",
        "        if position >= last[1]:\n",
        _MEMORY,
    ),
    Fault(
        "how things stand now is told as before more was learnt",
        "projections/book.py",
        "        self._know(after.last)\n",
        "",
        _MEMORY,
    ),
    Fault(
        "what is held in another account counts as active",
        "projections/timeline.py",
        "        if 0 < first <= self.active and not late:\n",
        "        if first and not late:\n",
        _PARTS,
    ),
    Fault(
        "sums that do not fit 64 bits fail",
        "projections/timeline.py",
        "    except OverflowError:\n        return sums\n",
        "    except OverflowError:\n        raise\n",
        "test_memory.py::test_claims_on_the_largest_deals_are_summed_exactly",
    ),
    Fault(
        "what was told last of a deal is told again for another point",
        "projections/book.py",
        "        if part is None or part[0] != seen:\n",
        "        if part is None:\n",
        _MEMORY,
    ),
    Fault(
        "what was told last of a manager is told again for another position",
        "projections/book.py",
        "        if told is None or told[0] != point:\n",
        "        if told is None or told[0][0] != day:\n",
        _MEMORY,
    ),
    Fault(
        "the first news are left out",
        "projections/memory.py",
        "WHERE {THEIRS} AND position > %s AND",
        "WHERE {THEIRS} AND position > %s + 1 AND",
        _MEMORY,
    ),
    Fault(
        "news that two questions bring are told twice",
        "projections/memory.py",
        "            [row for row in self.postings if row[2] > position],\n",
        "            self.postings,\n",
        "test_memory.py::test_the_same_news_brought_twice_is_told_once",
    ),
    Fault(
        "a manager with a deal more is told of the others only",
        "projections/memory.py",
        "                if not all(told):\n",
        "                if not told:\n",
        _MEMORY,
    ),
    Fault(
        "what is recorded while a manager is learnt is missed",
        "projections/memory.py",
        "            if self._end.position > end.position:\n                return False\n",
        "",
        "test_memory.py::test_what_is_recorded_while_a_manager_is_learnt_is_known_too",
    ),
    Fault(
        "a rebuilt ledger is answered from memory of the old one",
        "projections/memory.py",
        "            if end.ledger != self._end.ledger or end.position - after > FAR",
        "            if end.position - after > FAR",
        "test_memory.py::test_a_rebuilt_ledger_is_not_answered_from_memory_of_the_old_one",
    ),
    Fault(
        "whoever was learnt first is forgotten first",
        "projections/memory.py",
        "            self._books.move_to_end(manager)\n",
        "",
        "test_memory.py::test_whoever_was_asked_about_longest_ago_is_forgotten_first",
    ),
    Fault(
        "what is recorded meanwhile is not seen by what is told at once",
        "projections/memory.py",
        " or self._end.ledger != end.ledger or self._end.position < end.position:\n",
        " or self._end.ledger != end.ledger:\n",
        _AT_ONCE,
    ),
    Fault(
        "anybody may see what is told at once",
        "api/portfolios.py",
        "    asking.viewer(now).require_manager(manager, opened.point.as_of)\n",
        "    asking.viewer(now)\n",
        "test_memory.py::test_who_may_see_whom_counts_also_for_what_is_told_at_once",
    ),
    Fault(
        "whoever waits for a hanging look waits for ever",
        "api/connection.py",
        "            if due <= now:\n",
        "            if due < 0:\n",
        "test_availability.py"
        "::test_what_is_in_memory_is_not_told_while_the_database_hangs_and_all_hear_so_in_time",
    ),
    Fault(
        "the answer to one look is given to another",
        "api/connection.py",
        "                    answer, _ = self._waiting.popleft()\n",
        "                    answer, _ = self._waiting.pop()\n",
        "test_glance.py::test_those_who_look_at_the_same_time_are_told_each_their_own",
    ),
    Fault(
        "a look that the database refused is waited for until it is late",
        "api/connection.py",
        '                    self.give_up(result.error_message.decode(errors="replace"))\n',
        "                    pass\n",
        "test_glance.py::test_a_look_that_is_refused_is_told_so_and_asked_anew",
    ),
    Fault(
        "a question waits for a hanging database",
        "api/connection.py",
        "        self._seconds = self.first_seconds\n        if",
        "        self._seconds = self.later_seconds\n        if",
        "test_availability.py::test_a_question_to_a_hanging_database_is_503_in_time",
    ),
    Fault(
        "a long question is cut after a second",
        "api/connection.py",
        "        seconds, self._seconds = self._seconds, self.later_seconds\n",
        "        seconds = self._seconds\n",
        "test_availability.py::test_a_long_question_is_not_cut_and_one_that_says_nothing_at_first_is",
    ),
    # ------------------------------------------------------------------ the writer
    Fault(
        "recorded_at is what the clock says",
        "application/knowledge.py",
        "            max(now, self.recorded_at + _NEXT),\n",
        "            now,\n",
        "test_transactor.py::test_recorded_at_never_runs_backwards_when_the_clock_does",
    ),
    Fault(
        "what others recorded on a deal at hand is not learnt",
        "application/knowledge.py",
        "                    self.keep([known.record(recorded).history])\n",
        "                    self.keep([known])\n",
        "test_transactor.py::test_a_version_that_another_server_made_counts_too",
    ),
    Fault(
        "the receipt is not written",
        "application/session.py",
        "            rows.receipts.append((*key, order.request, receipt))\n",
        "",
        "test_transactor.py::test_the_first_answer_is_given_also_by_another_server_and_after_a_restart",
    ),
    Fault(
        "the receipt of the same group is not remembered",
        "application/session.py",
        "            self._receipts[key] = (order.request, receipt)\n",
        "",
        "test_transactor.py::test_the_same_key_twice_in_one_group_is_recorded_once",
    ),
    Fault(
        "the receipt is not looked at",
        "application/session.py",
        "        if key is not None and key in self._receipts:\n",
        "        if key == ():\n",
        "test_transactor.py"
        "::test_the_same_key_and_request_get_the_first_answer_and_record_nothing_more",
    ),
    Fault(
        "any request may use a key again",
        "application/session.py",
        "            if request != order.request:\n",
        "            if not request:\n",
        "test_transactor.py::test_the_same_key_for_another_request_is_refused",
    ),
    Fault(
        "If-Match is not heeded",
        "application/orders.py",
        "        if self.expected is not None and version not in self.expected:\n",
        "        if self.expected is not None and version < 0:\n",
        "test_transactor.py"
        "::test_a_command_meant_for_another_version_is_refused_and_told_the_one_that_holds",
    ),
    Fault(
        "the receipts are looked at of the first part of a long batch only",
        "application/session.py",
        "        self._receipts |= self._writing.receipts(keys_of(orders))\n",
        "",
        "test_transactor.py::test_what_a_long_batch_needs_is_read_in_parts_of_it",
    ),
    Fault(
        "a batch with a refusal stores the rest",
        "application/transactor.py",
        "            if not batch.dry_run and all(isinstance(one, Answer) for one in outcomes):\n",
        "            if not batch.dry_run and any(isinstance(one, Answer) for one in outcomes):\n",
        "test_transactor.py::test_a_batch_with_refusals_names_them_all_and_stores_nothing",
    ),
    Fault(
        "a dry run is stored",
        "application/transactor.py",
        "            if not batch.dry_run and all(isinstance(one, Answer) for one in outcomes):\n",
        "            if all(isinstance(one, Answer) for one in outcomes):\n",
        "test_transactor.py::test_a_dry_run_answers_as_the_real_one_will_and_stores_nothing",
    ),
    Fault(
        "a refusal on the guess is final",
        "application/transactor.py",
        "                    if not isinstance(outcome, Answer):\n",
        "                    if outcome is None:\n",
        "test_transactor.py::test_a_refusal_is_never_a_guess",
    ),
    Fault(
        "what was read on an unproven guess is kept",
        "application/transactor.py",
        "                if answers:",
        "                if orders:",
        "test_transactor.py::test_of_a_guess_that_only_refused_nothing_is_known",
    ),
    Fault(
        "a wrong guess is taken for a failure",
        "application/transactor.py",
        "        except Stale:\n            return []\n",
        "        except ZeroDivisionError:\n            return []\n",
        "test_transactor.py::test_a_wrong_guess_is_found_out_and_decided_again",
    ),
    Fault(
        "a warning at the commit is passed over",
        "application/log.py",
        '            if committed.statusmessage != "COMMIT" or self._warnings:\n',
        '            if committed.statusmessage != "COMMIT":\n',
        "test_transactor.py"
        "::test_a_commit_that_warns_is_not_taken_for_done_and_its_key_tells_later",
    ),
    Fault(
        "the last day of a closed month is open",
        "domain/periods.py",
        "        if through is not None and day <= through:\n",
        "        if through is not None and day < through:\n",
        "test_transactor.py::test_no_entry_into_a_month_is_recorded_behind_its_closing",
    ),
    Fault(
        "one more than the limit per deal",
        "domain/deal_commands.py",
        "done >= kind.max_per_deal:\n",
        "done > kind.max_per_deal:\n",
        "test_transactor.py::test_a_limit_per_deal_holds_when_two_servers_are_asked_at_once",
    ),
    Fault(
        "a deal can be opened twice",
        "domain/deal_commands.py",
        "        books.require_new(self.deal_id)\n",
        "",
        "test_transactor.py::test_a_deal_is_opened_once_and_who_asks_again_is_refused_alone",
    ),
    # ------------------------------------------------------------------ the locks
    Fault(
        "the lock is taken behind the look at the tail",
        "application/log.py",
        "            connection.execute(_LOCK)\n"
        "            tail = connection.execute(_TAIL, [after, TAIL])\n",
        "            tail = connection.execute(_TAIL, [after, TAIL])\n"
        "            connection.execute(_LOCK)\n",
        _RULE_OR_ANSWER,
    ),
    Fault(
        "the lock is not taken before the decision",
        "application/log.py",
        "            connection.execute(_LOCK)\n",
        "",
        _RULE_OR_ANSWER,
    ),
    Fault(
        "the trigger takes no lock",
        "application/books.sql",
        "    PERFORM books.lock_for_writing();\n",
        "",
        "test_transactor.py::test_whoever_appends_holds_the_writers_lock_until_the_commit",
    ),
    Fault(
        "the log can be changed by its owner",
        "application/books.sql",
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON books.events\n",
        "CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON books.events\n",
        "test_transactor.py::test_nobody_changes_or_removes_what_was_recorded",
    ),
    Fault(
        "the service may update the log",
        "application/books.sql",
        "GRANT SELECT, INSERT ON books.events, books.receipts TO dealfolio_app;\n",
        "GRANT SELECT, INSERT, UPDATE ON books.events, books.receipts TO dealfolio_app;\n",
        "test_transactor.py::test_nobody_changes_or_removes_what_was_recorded",
    ),
    # ------------------------------------------------------------------ the edge
    Fault(
        "of two Host headers the first counts",
        "api/guard.py",
        "        if len(hosts) == 1 and (",
        "        if hosts and (",
        "test_security.py::test_no_name_and_two_names_are_nobodys",
    ),
    Fault(
        "a name that ends like ours is ours",
        "api/guard.py",
        "name not in self._names:\n",
        "not name.endswith(tuple(self._names)):\n",
        "test_security.py::test_the_names_in_the_settings_are_its_names_too",
    ),
    Fault(
        "scripts may stand in a page",
        "api/guard.py",
        "script-src 'self';",
        "script-src 'self' 'unsafe-inline';",
        "test_security.py::test_no_script_and_no_style_stands_in_the_page_or_may",
    ),
    Fault(
        "a problem tells what went wrong inside",
        "api/unexpected.py",
        'Problem("internal", reference=reference)',
        'Problem("internal", reference=reference, why=str(error))',
        "test_security.py::test_a_fault_of_ours_is_told_by_a_number_and_nothing_else",
    ),
    Fault(
        "the first token is in the representation of the settings",
        "api/settings.py",
        "    bootstrap_token: str | None = Field(default=None, min_length=1, repr=False)\n",
        "    bootstrap_token: str | None = Field(default=None, min_length=1)\n",
        "test_security.py::test_settings_do_not_show_their_secrets",
    ),
    Fault(
        "every account of this machine may use the database's socket",
        "api/embedded.py",
        '"unix_socket_permissions": "0700"',
        '"unix_socket_permissions": "0777"',
        "test_security.py::test_what_the_embedded_database_keeps_is_its_owners_alone",
    ),
    Fault(
        "the embedded database is told our secrets",
        "api/embedded.py",
        "if not name.startswith(_OURS)}",
        'if not name.startswith("PG")}',
        "test_security.py::test_the_embedded_database_is_not_told_our_secrets",
    ),
    Fault(
        "who has not asked for long has saved up more than a burst",
        "api/limits.py",
        "(full_at if full_at > now else now) + cost",
        "full_at + cost",
        "test_limits.py::test_a_burst_is_admitted_and_then_as_many_a_second_as_were_granted",
    ),
    Fault(
        "nobody asks how often an account came",
        "api/door.py",
        "        if wait := self._rates.admit(caller.account_id):\n",
        "        if wait := 0.0:\n",
        "test_limits.py::test_who_asks_too_often_is_told_when_to_come_again",
    ),
    Fault(
        "each byte buys more time",
        "api/serving.py",
        "        if self._timer is None:\n            self._set_timer()\n",
        "        self._unset_timer()\n        self._set_timer()\n",
        "test_limits.py::test_a_head_is_cut_also_when_it_trickles",
    ),
    Fault(
        "one time for all requests on a connection",
        "api/serving.py",
        "        self._under_way = False\n        self._unset_timer()\n",
        "        self._under_way = False\n",
        "test_limits.py::test_each_request_on_a_connection_has_its_own_time",
    ),
    Fault(
        "who was answered already is answered again",
        "api/serving.py",
        "        return not cycle.response_started and not self.pipeline\n",
        "        return not self.pipeline\n",
        "test_limits.py::test_who_was_refused_already_is_not_answered_twice",
    ),
    Fault(
        "a head in pieces is never counted",
        "api/serving.py",
        "        if self._in_head and self._arrived > MOST_HEAD_BYTES:\n",
        "        if self._in_head and self._piece > MOST_HEAD_BYTES:\n",
        "test_limits.py::test_a_head_in_small_pieces_has_the_same_size",
    ),
    Fault(
        "a rebuild waits for its switch as long as it takes, and everybody behind it",
        "projections/rebuild.py",
        "SET LOCAL lock_timeout = '1s'",
        "SET LOCAL lock_timeout = '0'",
        "test_limits.py::test_a_long_question_delays_a_rebuild_and_a_rebuild_delays_nobody",
    ),
    Fault(
        "a rebuild gives up on its own tables as soon as autovacuum is there",
        "projections/rebuild.py",
        "SET lock_timeout = '30s'",
        "SET lock_timeout = '1s'",
        "test_limits.py::test_a_rebuild_outwaits_whoever_looks_after_its_tables",
    ),
    Fault(
        "a batch larger than a burst is never admitted",
        "api/limits.py",
        "            cost = min(cost * requests, self._reserve - cost)\n",
        "            cost *= requests\n",
        "test_limits.py"
        "::test_many_in_one_request_are_counted_and_more_than_a_burst_takes_all_of_one",
    ),
    Fault(
        "a batch counts as one request",
        "api/door.py",
        "self._rates.admit(caller.account_id, len(orders))",
        "self._rates.admit(caller.account_id)",
        "test_batches.py::test_a_batch_counts_as_its_commands",
    ),
    Fault(
        "the commands of a batch have one receipt",
        "api/batches.py",
        "zip(commands, [key, *keys[1:]], strict=True)",
        "zip(commands, [key] * len(keys), strict=True)",
        "test_batches.py::test_the_same_key_and_batch_are_answered_the_same_and_recorded_once",
    ),
    Fault(
        "a batch with a refusal is recorded as far as it goes",
        "application/transactor.py",
        "            if not batch.dry_run and all(isinstance(one, Answer) for one in outcomes):\n",
        "            if not batch.dry_run:\n",
        "test_batches.py::test_with_one_refusal_nothing_is_recorded_and_all_refusals_are_told",
    ),
    Fault(
        "a row that was imported before has another digest",
        "api/import_rows.py",
        "_JSON = json.JSONEncoder(default=str, sort_keys=True)\n",
        "_JSON = json.JSONEncoder(default=str, sort_keys=True, ensure_ascii=False)\n",
        "test_import.py"
        "::test_what_a_row_says_has_the_digest_that_its_receipt_has_had_from_the_first",
    ),
    # ------------------------------------------------------------------ a rebuild
    Fault(
        "whoever closes the live ledger's cuts keeps a rebuild from closing its own",
        "projections/snapshots.py",
        "('cuts'::regclass::oid::bigint %% 2147483647)::int",
        "0",
        "test_snapshots.py::test_a_rebuilt_ledger_has_them",
    ),
    Fault(
        "what was recorded since an interrupted rebuild began is not caught up",
        "projections/rebuild.py",
        "        position = unfinished.begin(connection, FRESH) if begun is None else begun\n",
        "        position = unfinished.begin(connection, FRESH) if begun is None else begun\n"
        "        position = _end(connection)\n",
        "test_rebuild.py::test_an_interrupted_rebuild_is_gone_on_with",
    ),
    Fault(
        "a part is counted done before its rows are committed",
        "projections/replaying.py",
        "        with self._writer.transaction(), closing(",
        "        with closing(",
        "test_rebuild.py::test_a_part_counts_as_done_with_its_rows_and_not_before",
    ),
    Fault(
        "what is caught up is not noted with its rows",
        "projections/rebuild.py",
        "        unfinished.move(connection, FRESH, end)\n",
        "",
        "test_rebuild.py::test_what_was_caught_up_is_caught_up_once",
    ),
    Fault(
        "two write the rows of the same part",
        "projections/unfinished.py",
        "SET done = true WHERE first = %s AND NOT done",
        "SET done = true WHERE first = %s",
        "test_rebuild.py::test_two_who_are_at_the_same_part_write_its_rows_once",
    ),
    Fault(
        "a process that has failed counts as one that is done",
        "projections/replaying.py",
        "        except (EOFError, ConnectionError):\n            raise self._ended() from None\n"
        "        if",
        "        except (EOFError, ConnectionError):\n            return\n        if",
        "test_rebuild.py::test_who_ends_without_a_word_has_not_done_the_part",
    ),
    Fault(
        "what went wrong in a process is not heard",
        "projections/replaying.py",
        "        if wrong is not None:\n",
        "        if wrong is self:\n",
        "test_rebuild.py::test_an_event_that_is_not_understood_is_named_and_changes_nothing",
    ),
    Fault(
        "whoever replays goes on when nobody waits for it any more",
        "projections/replaying.py",
        "            os._exit(1)\n",
        "            return\n",
        "test_rebuild.py::test_a_part_counts_as_done_with_its_rows_and_not_before",
    ),
    Fault(
        "processes are left behind by a rebuild that has failed",
        "projections/replaying.py",
        "        self._process.kill()\n        self._process.wait()\n",
        "",
        "test_rebuild.py::test_an_event_that_is_not_understood_is_named_and_changes_nothing",
    ),
    Fault(
        "rows that other code has made are gone on with",
        "projections/unfinished.py",
        "WHERE code = %s AND recorded_at",
        "WHERE %s IS NOT NULL AND recorded_at",
        "test_rebuild.py::test_what_does_not_fit_is_begun_anew",
    ),
    Fault(
        "rows of another log are gone on with",
        "projections/unfinished.py",
        "AND recorded_at IS NOT DISTINCT FROM (\n    SELECT recorded_at",
        "AND EXISTS (\n    SELECT recorded_at",
        "test_rebuild.py::test_what_does_not_fit_is_begun_anew",
    ),
    Fault(
        "the first stream of a part is in the part before it, too",
        "projections/replaying.py",
        '"AND originator_id < %(behind)s "',
        '"AND originator_id <= %(behind)s "',
        "test_rebuild.py::test_rows_made_by_several_processes_are_those_that_the_service_wrote",
    ),
    # ------------------------------------------------------------------ what is documented
    Fault(
        "a status is not documented",
        "api/answers.py",
        '        "unsupported-media-type",\n        "idem',
        '        "idem',
        _PROMISED,
    ),
    Fault(
        "a version goes out as text",
        "api/answered.py",
        '"version": answer.version',
        '"version": str(answer.version)',
        _PROMISED,
    ),
    Fault(
        "a page may be as long as one likes",
        "api/inputs.py",
        "    if not 1 <= number <= MOST_PER_PAGE:\n",
        "    if not 1 <= number:\n",
        _PROMISED,
    ),
    Fault(
        "a login that is no text is a fault of ours",
        "api/signin.py",
        'plain(given) if isinstance(given, str) else ""',
        "plain(given)",
        _PROMISED,
    ),
    Fault(
        "a question that cannot be stored keeps all others from being noted",
        "api/reads.py",
        "[_storable(read) for read in batch]",
        "batch",
        "test_reads.py"
        "::test_a_question_that_cannot_be_stored_as_it_was_asked_keeps_no_other_from_being_noted",
    ),
    # ------------------------------------------------------------------ who may do what
    Fault(
        "a head reads the log",
        "domain/access.py",
        "    Task.AUDIT: {Role.DIRECTOR: Reach.ALL, Role.AUDITOR: Reach.ALL},\n",
        "    Task.AUDIT: {\n"
        "        Role.DIRECTOR: Reach.ALL, Role.AUDITOR: Reach.ALL, Role.HEAD: Reach.ALL\n"
        "    },\n",
        "test_access.py::test_what_is_for_audits",
    ),
    Fault(
        "an administrator closes a month",
        "domain/access.py",
        "    Task.REGULATE: {Role.DIRECTOR: Reach.ALL},\n",
        "    Task.REGULATE: {Role.DIRECTOR: Reach.ALL, Role.ADMIN: Reach.ALL},\n",
        "test_access.py::test_closing_and_reopening_a_month",
    ),
    Fault(
        "a head judges every deal in which one of theirs has a part",
        "domain/authority.py",
        "            self._require_team([deal.owner])\n",
        "            pass\n",
        "test_access.py::test_a_head_judges_the_deals_of_the_team_only",
    ),
    Fault(
        "whoever is in no team is led by a head without one",
        "domain/access.py",
        "        return team_id is not None and team_id == self.team_id\n",
        "        return team_id == self.team_id\n",
        "test_access.py::test_a_head_leads_nobody_who_is_in_no_team",
    ),
    Fault(
        "a head sees one by one whoever was in the team then",
        "api/asking.py",
        "may_see(self.grant, self.now.people, manager, *days, self.service.clock.today)",
        "may_see(self.grant, self.now.people, manager, *days)",
        "test_access.py::test_a_head_sees_who_was_in_the_team_then_and_is_today",
    ),
    Fault(
        "a head sees one by one whoever is in the team now, also as of before",
        "api/asking.py",
        "may_see(self.grant, self.now.people, manager, *days, self.service.clock.today)",
        "may_see(self.grant, self.now.people, manager, self.service.clock.today)",
        "test_access.py::test_a_head_sees_who_was_in_the_team_then_and_is_today",
    ),
    Fault(
        "the lists of a head have whoever was in the team then",
        "api/asking.py",
        "sight(self.grant, self.now.people, *days, self.service.clock.today)",
        "sight(self.grant, self.now.people, *days)",
        _MOVERS,
    ),
    Fault(
        "the lists of a head have whoever is in the team now, also as of before",
        "api/asking.py",
        "sight(self.grant, self.now.people, *days, self.service.clock.today)",
        "sight(self.grant, self.now.people, self.service.clock.today)",
        _MOVERS,
    ),
    Fault(
        "a movement opens with a time in another team",
        "api/portfolios.py",
        "_who(at, point, question.manager_id, question.team_id, question.from_)",
        "_who(at, point, question.manager_id, question.team_id)",
        "test_access.py::test_a_movement_tells_a_head_nothing_of_a_time_in_another_team",
    ),
    Fault(
        "a series begins with a time in another team",
        "api/portfolios.py",
        "        days = [day for day in _days(question) if at.sees(manager, day)]\n",
        "        days = _days(question)\n",
        "test_access.py::test_a_series_tells_a_head_nothing_of_a_time_in_another_team",
    ),
    Fault(
        "whoever may not see a deal is told that there is one",
        "domain/authority.py",
        '            raise NotFound("deal", deal_id)\n',
        "            raise Forbidden(Restriction.ROLE, role=self.grant.role.value)\n",
        "test_access.py::test_commands_on_deals",
    ),
    Fault(
        "an administrator is told that there is a manager or a deal",
        "api/asking.py",
        "            raise NotFound(*next(iter(self.about.items())))\n",
        "            pass\n",
        "test_access.py::test_questions_about_a_manager",
    ),
    Fault(
        "a deal is shown to everybody who knows its id",
        "api/deals.py",
        "    if found is None or not _is_seen(at, point, found):\n",
        "    if found is None:\n",
        "test_access.py::test_questions_about_a_deal",
    ),
    Fault(
        "the list of deals is everybody's",
        "api/deals.py",
        "        seen = at.sight(point.as_of).managers\n",
        "        seen = None\n",
        _LISTS,
    ),
    Fault(
        "the list of deals does not have those in which one has a part",
        "projections/deals.py",
        "      HAVING sum(credit) <> 0 OR sum(actions) <> 0\n",
        "      HAVING false\n",
        "test_access.py::test_a_colleague_sees_the_deal_in_which_they_have_a_part",
    ),
    Fault(
        "a claim shows the deal also while it is suspended",
        "domain/authority.py",
        "        if deal.is_open or stake.credit or stake.actions\n",
        "",
        "test_access.py::test_the_list_has_every_deal_that_one_may_open",
    ),
    Fault(
        "the deals of any manager may be listed by their id",
        "api/deals.py",
        "None if asked_for is None else at.require_manager(asked_for, point.as_of)",
        "None if asked_for is None else ManagerId(asked_for)",
        _FILTER,
    ),
    Fault(
        "everybody's portfolios are shown to everybody",
        "api/portfolios.py",
        "at.directory(point).people.managers if eyes.sees(who)]",
        "at.directory(point).people.managers if eyes]",
        _LISTS,
    ),
    Fault(
        "the series of all is of all",
        "api/portfolios.py",
        "        return lambda day: at.sight(day).managers\n",
        "        return lambda _: None\n",
        _LISTS,
    ),
    Fault(
        "the movement of all is of all",
        "api/portfolios.py",
        "    return at.sight(point.as_of, *days).managers\n",
        "    return None\n",
        _LISTS,
    ),
    Fault(
        "a movement may be asked of any manager",
        "api/portfolios.py",
        "        one = {at.require_manager(manager_id, point.as_of, *days)}\n",
        "        one = {ManagerId(manager_id)}\n",
        _FILTER,
    ),
    Fault(
        "a team is shown to everybody who knows its id",
        "api/asking.py",
        "        if self.reach is not Reach.ALL and team != self.grant.team_id:\n",
        "        if not team:\n",
        _FILTER,
    ),
    Fault(
        "a restatement is a question like any other",
        "api/questions.py",
        '    "getRestatement": Task.AUDIT,\n',
        '    "getRestatement": Task.SEE,\n',
        "test_access.py::test_what_is_for_audits",
    ),
    Fault(
        "everybody may read the log",
        "api/questions.py",
        '    "listEvents": Task.AUDIT,\n',
        '    "listEvents": Task.SEE,\n',
        "test_access.py::test_what_is_for_audits",
    ),
    Fault(
        "everybody may look up the keys of an account",
        "api/questions.py",
        '    "listKeys": Task.ADMINISTER,\n',
        '    "listKeys": Task.LOOK_UP,\n',
        "test_access.py::test_accounts_and_keys",
    ),
    Fault(
        "the totals of a closed month are everybody's",
        "api/lists.py",
        "            if eyes.sees(total.manager_id)\n",
        "",
        "test_access.py::test_a_months_totals_are_shown_of_those_whom_one_may_see",
    ),
    Fault(
        "a portfolio in memory is told to everybody",
        "api/portfolios.py",
        "    asking.viewer(now).require_manager(manager, opened.point.as_of)\n",
        "",
        "test_access.py::test_what_is_in_memory_is_told_to_nobody_else",
    ),
    # ------------------------------------------------------------------ one's own cause
    Fault(
        "a head confirms an own action",
        "domain/authority.py",
        "            if reach is Reach.TEAM or isinstance(command, ConfirmAction):\n",
        "            if reach is Reach.ALL and isinstance(command, ConfirmAction):\n",
        "test_access.py::test_commands_on_actions",
    ),
    Fault(
        "a director confirms an own action",
        "domain/authority.py",
        "            if reach is Reach.TEAM or isinstance(command, ConfirmAction):\n",
        "            if reach is Reach.TEAM:\n",
        "test_access.py::test_commands_on_actions",
    ),
    Fault(
        "an action is one's own only as long as one holds its credit",
        "domain/authority.py",
        "    return {*action.performers, *(entry.manager_id for entry in action.entries)}\n",
        "    return {entry.manager_id for entry in action.entries}\n",
        "test_access.py::test_an_action_stays_ones_own_when_its_credit_is_handed_on",
    ),
    Fault(
        "one may raise the weight of an own action",
        "domain/authority.py",
        "command.weight > action.weight:\n",
        "command.weight < 0:\n",
        "test_access.py::test_a_director_lowers_and_never_raises_the_weight_of_an_own_action",
    ),
    Fault(
        "one may hand the credit of others to oneself",
        "domain/authority.py",
        "        takes = isinstance(command, HandOver) and command.transfer_credit\n",
        "        takes = isinstance(command, HandOver) and not command.transfer_credit\n",
        "test_access.py::test_nobody_hands_credit_to_themselves",
    ),
    Fault(
        "a manager records what others did",
        "domain/authority.py",
        "                self._require_own(who, Restriction.NOT_YOUR_ACTION)\n",
        "",
        "test_access.py::test_a_manager_records_own_actions_only",
    ),
    Fault(
        "a manager withdraws what counts",
        "domain/authority.py",
        "action.claimed and _people_of(action) == {self._me}",
        "_people_of(action) == {self._me}",
        "test_access.py::test_a_manager_withdraws_a_claim_and_not_what_counts",
    ),
    Fault(
        "a manager dates an entry a day further back",
        "domain/authority.py",
        "        if day < earliest:\n",
        "        if day < earliest and self.books.working_days_before(limit + 1) > day:\n",
        "test_access.py::test_a_manager_dates_five_working_days_back",
    ),
    Fault(
        "the first day to which one may date back is too far",
        "domain/authority.py",
        "        if day < earliest:\n",
        "        if day <= earliest:\n",
        "test_access.py::test_a_manager_dates_five_working_days_back",
    ),
    Fault(
        "a holiday is a working day",
        "application/calendar.py",
        "        self._days = country_holidays(country)\n",
        "        self._days = country_holidays(country, years=1999, expand=False)\n",
        "test_access.py::test_a_holiday_is_no_working_day",
    ),
    Fault(
        "a withdrawal without a date may be dated back as far as one likes",
        "domain/authority.py",
        "        self._require_recent(command.effective_on or action.effective_on)\n",
        "        self._require_recent(command.effective_on or self.books.today)\n",
        "test_access.py::test_a_withdrawal_without_a_date_is_dated_back_as_far_as_its_action",
    ),
    # ------------------------------------------------------------------ roles and keys taken away
    Fault(
        "a role that was taken away still counts",
        "domain/access.py",
        "                kept = _without(gone, self.grants)\n",
        "                kept = self.grants\n",
        _TAKEN_AWAY,
    ),
    Fault(
        "who may ask is what was known at the last question",
        "api/asking.py",
        "self.service.directory.at(cursor, BEYOND))",
        "self.service.directory.now(cursor, 1))",
        _TAKEN_AWAY,
    ),
    Fault(
        "who may ask for all portfolios is what was known at the last question",
        "api/asking.py",
        "self.service.directory.now(cursor, columns[0] or 0))",
        "self.service.directory.now(cursor, 1))",
        _TAKEN_AWAY,
    ),
    Fault(
        "a key that was taken back still counts",
        "domain/access.py",
        "        if grant is None or key_id in self.revoked_keys:\n",
        "        if grant is None:\n",
        "test_access.py::test_a_key_that_is_taken_back_is_worth_nothing_and_the_others_hold",
    ),
    Fault(
        "a key that was known once never expires",
        "api/accounts.py",
        "        return None if self._is_over(found[1]) else found[2]\n",
        "        return found[2]\n",
        "test_access.py::test_a_key_expires",
    ),
    Fault(
        "a key holds a moment longer",
        "api/accounts.py",
        "expires_at <= self._service.clock.now\n",
        "expires_at < self._service.clock.now\n",
        "test_access.py::test_a_key_expires",
    ),
    Fault(
        "the sessions of a closed account stay",
        "api/accounts.py",
        '    "DELETE FROM books.sessions WHERE account_id = %s",\n',
        '    "SELECT FROM books.sessions WHERE account_id = %s",\n',
        "test_sign_in.py::test_a_role_that_was_taken_away_counts_from_the_next_request_on",
    ),
    Fault(
        "a session is asked whose it is, and not whether they may sign in still",
        "api/signin.py",
        "directory.at(cursor, BEYOND).access.grant_of(found.account_id, None)",
        "directory.now(cursor, 1).access.grant_of(found.account_id, None)",
        "test_sign_in.py::test_a_role_gone_from_the_log_is_gone_though_the_session_is_still_there",
    ),
    # ------------------------------------------------------------------ signing in
    Fault(
        "any password opens an account that has one",
        "api/passwords.py",
        "            return self._hasher.verify(stored or self._nobodys, _prepared(password))\n",
        "            return bool(stored)\n",
        "test_sign_in.py::test_nobody_learns_which_logins_there_are",
    ),
    Fault(
        "an unknown login is refused sooner",
        "api/passwords.py",
        "            return self._hasher.verify(stored or self._nobodys, _prepared(password))\n",
        "            return bool(stored) and self._hasher.verify(stored, _prepared(password))\n",
        "test_sign_in.py::test_nobody_learns_which_logins_there_are",
    ),
    Fault(
        "the other sessions stay when the password is changed",
        "api/passwords.py",
        "        self._sessions.end_all(account_id, but=kept)\n",
        "",
        "test_sign_in.py::test_whoever_changes_a_password_must_know_it_and_other_sessions_end",
    ),
    Fault(
        "no token of a page is asked for",
        "api/forgery.py",
        "    if not compare_digest(token, session.csrf.encode()):\n",
        "    if not token:\n",
        _FORGED,
    ),
    Fault(
        "a request may come from any page",
        "api/forgery.py",
        "    if given is not None and given != _own_origin(headers, settings):\n",
        "    if given is None:\n",
        _FORGED,
    ),
    Fault(
        "what the browser says of another site is not heeded",
        "api/forgery.py",
        '    if headers.get(b"sec-fetch-site", b"none") not in {b"same-origin", b"none"}:\n',
        "    if not headers:\n",
        _FORGED,
    ),
    Fault(
        "who says nothing of where from is believed",
        "api/forgery.py",
        "    if not _says_where_from(headers):\n",
        "    if not headers:\n",
        _FORGED,
    ),
    # ------------------------------------------------------------------ who read what, forgetting
    Fault(
        "as of when somebody asked is not noted",
        "api/door.py",
        '                    names.get("deal_id"),\n                    asked,\n',
        '                    names.get("deal_id"),\n                    {},\n',
        "test_reads.py::test_who_looked_at_which_portfolio_as_of_when_can_be_asked",
    ),
    Fault(
        "whom a question names beside its address is not noted",
        "api/door.py",
        'names.get("manager_id") or asked.get("manager_id")',
        'names.get("manager_id")',
        "test_reads.py::test_whom_a_question_names_beside_its_address_is_noted_as_well",
    ),
    Fault(
        "an attempt is not noted",
        "api/door.py",
        "            self._note(called, scope, response.status_code)\n",
        "",
        "test_reads.py::test_an_attempt_is_noted_too_with_what_came_of_it",
    ),
    Fault(
        "reads are lost while the database is away",
        "api/reads.py",
        "            self._waiting.extendleft(reversed(batch))\n",
        "",
        "test_reads.py::test_reads_wait_for_a_database_that_is_away",
    ),
    Fault(
        "everybody may ask who read what",
        "api/questions.py",
        '    "listReads": Task.AUDIT,\n',
        '    "listReads": Task.SEE,\n',
        "test_access.py::test_what_is_for_audits",
    ),
    Fault(
        "the name of whoever is forgotten stays",
        "application/log.py",
        "DELETE FROM books.people USING gone WHERE person_id = id\n",
        "SELECT FROM books.people, gone WHERE person_id = id\n",
        _FORGOTTEN,
    ),
    Fault(
        "the account of whoever is forgotten keeps the name",
        "domain/access_commands.py",
        '{"manager_id": manager_id}, forgets=tuple(ids))',
        '{"manager_id": manager_id}, forgets=(manager_id,))',
        _FORGOTTEN,
    ),
    Fault(
        "whoever is forgotten stays signed in",
        "application/log.py",
        "DELETE FROM books.sessions USING gone WHERE account_id::text = id",
        "SELECT FROM books.sessions, gone WHERE account_id::text = id",
        _FORGOTTEN,
    ),
    Fault(
        "the login of whoever is forgotten stays",
        "application/log.py",
        "DELETE FROM books.passwords USING gone WHERE account_id::text = id",
        "SELECT FROM books.passwords, gone WHERE account_id::text = id",
        "test_reads.py::test_who_is_no_manager_is_forgotten_by_their_account",
    ),
    Fault(
        "whoever is forgotten is forgotten also by the log",
        "application/session.py",
        "        rows.events.append(_stored(recorded))\n",
        "        if not decision.forgets:\n            rows.events.append(_stored(recorded))\n",
        _FORGOTTEN,
    ),
)
