"""The faults of the campaign: each breaks something for a while and mends it, also while others break other things."""

from __future__ import annotations

from bench.campaign.faults import feed, postgres, processes, queue, sequencer, signing
from bench.campaign.faults.tools import Fault

FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        processes.postgres_kill,
        processes.postgres_immediate,
        processes.postgres_freeze,
        processes.valkey_kill,
        processes.valkey_freeze,
        processes.both_kill,
        processes.worker_kill,
        processes.master_kill,
        processes.rolling_restart,
        processes.idle_close,
        processes.clock_step,
        sequencer.sequencer_kill,
        sequencer.sequencer_session_end,
        sequencer.sequencer_stop,
        sequencer.two_sequencers,
        sequencer.log_lock_held,
        signing.signer_kill,
        signing.signer_stop,
        signing.memory_file_away,
        signing.memory_file_restored,
        signing.memory_redis_restored,
        signing.witness_away,
        feed.follower_kill,
        postgres.disk_full,
        postgres.session_settings,
        postgres.revoked_rights,
        postgres.missing_standby,
        postgres.lock_contention,
        postgres.month_detached,
        queue.queue_full,
        queue.redis_disk_full,
        queue.redis_moved,
        queue.queue_counters,
        queue.foreign_consumer,
        queue.large_entries,
        queue.poisoned_entries,
    )
}
