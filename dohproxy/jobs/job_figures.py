"""The figures of what runs in the background: reloads, the certificate, the list of suffixes, blocklists, the files of
cache and state, the ban log, what the kernel is told of bans."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dohproxy.config.schema import MAX_BLOCKLISTS
from dohproxy.jobs.ban_log import BanLogStatistics
from dohproxy.jobs.blocklist_watch import BlocklistStatistics
from dohproxy.jobs.cache_file import CacheFileStatistics
from dohproxy.jobs.certificate_watch import CertificateStatistics
from dohproxy.jobs.hour_book import HourBookStatistics
from dohproxy.jobs.kernel_bans import KernelBansStatistics
from dohproxy.jobs.member_file import MemberFileResult, MemberFileStatistics
from dohproxy.jobs.page_folder import PageJobStatistics
from dohproxy.jobs.reload import ReloadStatistics
from dohproxy.jobs.state_file import StateFileStatistics
from dohproxy.jobs.suffix_watch import ListResult, SuffixStatistics
from dohproxy.observability.figures import FigureGroup, Label, Together, Unit, counter, gauge, label_of
from dohproxy.policy.blocklists.by_hand import MOST_ENTRIES, ByHand
from dohproxy.policy.blocklists.reading import MOST_NAMES
from dohproxy.policy.kernel_drops import LeftOut
from dohproxy.tls.certificate_pair import PairResult

RELOAD_FIGURES: Final = FigureGroup[ReloadStatistics](
    "The configuration",
    (
        counter(
            "reloads",
            "Attempts to read the configuration again, by what became of them.",
            lambda reloads: {"taken": reloads.taken, "refused": reloads.refused},
            Label("result", ("taken", "refused")),
        ),
        gauge(
            "last_reload_success",
            "1 if what the file held last is in force.",
            lambda reloads: reloads.last_succeeded,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
        gauge(
            "config_loaded_seconds",
            "When what holds was read, in Unix time.",
            lambda reloads: reloads.in_force_since,
            unit=Unit.UNIX_TIME,
            together=Together.LEAST,
        ),
        gauge(
            "config_hash",
            "The file that holds: the first 12 hexadecimal digits of its SHA-256 as a number; 0 without a file.",
            lambda reloads: reloads.file_hash,
            unit=Unit.NONE,
        ),
        gauge(
            "keys_waiting_for_restart",
            "Keys that differ from the file until a restart.",
            lambda reloads: len(reloads.waiting),
            together=Together.MOST,
        ),
    ),
)

CERTIFICATE_FIGURES: Final = FigureGroup[CertificateStatistics](
    "The certificate",
    (
        gauge(
            "certificate_not_after_seconds",
            "When the certificate expires, in Unix time.",
            lambda certificate: certificate.not_after,
            unit=Unit.UNIX_TIME,
            together=Together.LEAST,
        ),
        counter(
            "certificate_reloads",
            "New certificates found on the disk, by what became of them.",
            lambda certificate: certificate.reloads,
            label_of("result", PairResult),
        ),
        gauge(
            "certificate_last_reload_success",
            "1 if the certificate on the disk is in use, 0 if it was refused.",
            lambda certificate: certificate.last_succeeded,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
        gauge(
            "handshake_cpu_seconds",
            "What one handshake with this certificate costs, of one core.",
            lambda certificate: certificate.handshake_seconds,
            unit=Unit.SECONDS,
        ),
    ),
    "with `[tls]`",
)

SUFFIX_FIGURES: Final = FigureGroup[SuffixStatistics](
    "The list of public suffixes",
    (
        gauge(
            "suffix_list_age_seconds",
            "Age of the list of public suffixes.",
            lambda suffixes: suffixes.age_seconds,
            unit=Unit.SECONDS,
        ),
        gauge(
            "suffix_list_max_age_seconds",
            "Age at which the list of public suffixes denies nothing any more.",
            lambda suffixes: suffixes.max_age_seconds,
            unit=Unit.SECONDS,
        ),
        gauge(
            "suffix_list_rules", "Public suffixes in the list.", lambda suffixes: suffixes.rules, together=Together.MOST
        ),
        gauge(
            "suffix_list_top_level_domains",
            "Top-level domains in the list.",
            lambda suffixes: suffixes.top_level_domains,
            together=Together.MOST,
        ),
        gauge(
            "suffix_list_denies",
            "1 while names under others are denied here.",
            lambda suffixes: suffixes.denies,
            unit=Unit.SWITCH,
        ),
        counter(
            "suffix_list_reloads",
            "Lists of public suffixes found on the disk, by what became of them.",
            lambda suffixes: suffixes.reloads,
            label_of("result", ListResult),
        ),
        gauge(
            "suffix_list_last_reload_success",
            "1 if the list on the disk is in use, or none is configured; 0 if it was refused.",
            lambda suffixes: suffixes.last_succeeded,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
    ),
)

_LIST: Final = Label("blocklist", source=f"`[[blocklist]]`, by its name; {MAX_BLOCKLISTS} at most")
Lists = Sequence[BlocklistStatistics]


def _by_list(read: Callable[[BlocklistStatistics], float]) -> Callable[[Lists], Mapping[str, float]]:
    return lambda lists: {one.name: read(one) for one in lists}


BLOCKLIST_FIGURES: Final = FigureGroup[Lists](
    "Blocklists",
    (
        counter("blocklist_hits", "Questions withheld because of a list.", _by_list(lambda one: one.hits), _LIST),
        counter(
            "blocklist_shadowed",
            "Questions about which a list that is only tried (blocklist.mode) would have decided otherwise.",
            _by_list(lambda one: one.shadowed),
            _LIST,
        ),
        gauge("blocklist_names", "Names in a list.", _by_list(lambda one: one.names), _LIST, together=Together.MOST),
        gauge(
            "blocklist_max_names",
            "Names that a list may have.",
            _by_list(lambda _: MOST_NAMES),
            _LIST,
            together=Together.MOST,
        ),
        gauge(
            "blocklist_networks",
            "Networks of clients in a list.",
            _by_list(lambda one: one.networks),
            _LIST,
            together=Together.MOST,
        ),
        gauge(
            "blocklist_bytes",
            "Memory that a list takes.",
            _by_list(lambda one: one.held_bytes),
            _LIST,
            unit=Unit.BYTES,
        ),
        gauge(
            "blocklist_bad_lines",
            "Lines of a list's file that cannot be used.",
            _by_list(lambda one: one.bad_lines),
            _LIST,
            together=Together.MOST,
        ),
        gauge(
            "blocklist_loaded_seconds",
            "When a list's file was read, in Unix time; 0: not yet, or it has none.",
            _by_list(lambda one: one.loaded_at),
            _LIST,
            unit=Unit.UNIX_TIME,
        ),
        gauge(
            "blocklist_last_load_success",
            "1 if what the file of a list holds is in use, or it has none; 0 if it was refused, or is not read yet.",
            _by_list(lambda one: not one.problem),
            _LIST,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
    ),
    "with `[[blocklist]]`",
)

HAND_BLOCK_FIGURES: Final = FigureGroup[ByHand](
    "Blocks by hand",
    (
        counter("blocks_by_hand_hits", "Questions withheld because of a block by hand.", lambda by_hand: by_hand.hits),
        gauge("blocks_by_hand", "Names that are blocked, or let through, by hand.", len, together=Together.MOST),
        gauge(
            "max_blocks_by_hand",
            "Names that may be blocked, or let through, by hand.",
            lambda _: MOST_ENTRIES,
            together=Together.MOST,
        ),
    ),
)

CACHE_FILE_FIGURES: Final = FigureGroup[CacheFileStatistics](
    "The file of the cache",
    (
        gauge("cache_snapshot_restored", "Entries of the cache taken back at the start.", lambda file: file.restored),
        gauge(
            "cache_snapshot_left_out",
            "Entries of the cache found at the start and not taken back.",
            lambda file: file.left_out,
        ),
        gauge(
            "cache_snapshot_saved_at_seconds",
            "When the cache was last saved, in Unix time; 0: not yet.",
            lambda file: file.saved_at,
            unit=Unit.UNIX_TIME,
        ),
        gauge("cache_snapshot_entries", "Entries of the cache last saved.", lambda file: file.saved),
        gauge(
            "cache_snapshot_max_entries", "Entries of the cache that are saved at most.", lambda file: file.most_entries
        ),
        counter(
            "cache_snapshot_failures",
            "Snapshots of the cache that could not be saved.",
            lambda file: file.save_failures,
        ),
    ),
    "with `cache.snapshot_file`",
)

STATE_FILE_FIGURES: Final = FigureGroup[StateFileStatistics](
    "The file of the state",
    (
        gauge("state_restored", "Budgets and upstreams that go on as in the last run.", lambda file: file.restored),
        gauge("state_restored_slots", "Networks whose time here was taken back.", lambda file: file.restored_slots),
        gauge(
            "state_saved_at_seconds",
            "When the state was last saved, in Unix time; 0: not yet.",
            lambda file: file.saved_at,
            unit=Unit.UNIX_TIME,
        ),
        gauge("state_bytes", "Size of the state that was last saved.", lambda file: file.saved_bytes, unit=Unit.BYTES),
        gauge(
            "state_max_bytes", "Largest state that is written or read.", lambda file: file.most_bytes, unit=Unit.BYTES
        ),
        counter(
            "state_failures",
            "Saves of the state that failed; and 1 if there is no key to save with.",
            lambda file: file.save_failures,
        ),
    ),
    "with `server.state_directory`",
)

HOUR_FIGURES: Final = FigureGroup[HourBookStatistics](
    "The hours for the report",
    (
        gauge(
            "report_sums_written_at_seconds",
            "When sums were last written for the report, in Unix time; 0: not yet.",
            lambda book: book.written_at,
            unit=Unit.UNIX_TIME,
        ),
        gauge(
            "report_sums_bytes",
            "Size of the file after the last write.",
            lambda book: book.written_bytes,
            unit=Unit.BYTES,
        ),
        gauge("report_sums_max_bytes", "Size that it may have.", lambda book: book.most_bytes, unit=Unit.BYTES),
        counter("report_sums_failures", "Writes for the report that failed.", lambda book: book.failures),
    ),
    "with `server.state_directory`",
)

BAN_LOG_FIGURES: Final = FigureGroup[BanLogStatistics](
    "The ban log",
    (
        counter("ban_log_lines", "Lines written to the ban log.", lambda log: log.lines),
        counter("ban_log_lines_dropped", "Lines of the ban log that were not written.", lambda log: log.dropped),
        counter("ban_log_failures", "Times that the ban log could not be written.", lambda log: log.failures),
    ),
    condition="if `bans.log_file` names one",
)

KERNEL_BAN_FIGURES: Final = FigureGroup[KernelBansStatistics](
    "Bans in the kernel",
    (
        gauge(
            "kernel_bans_connected",
            "1 while dohproxy-nft is there and has been told of all bans.",
            lambda kernel: kernel.is_connected,
            unit=Unit.SWITCH,
        ),
        gauge(
            "kernel_bans",
            "Networks whose new connections the kernel drops.",
            lambda kernel: kernel.networks,
            together=Together.MOST,
        ),
        gauge(
            "max_kernel_bans", "Networks that it may drop.", lambda kernel: kernel.max_networks, together=Together.MOST
        ),
        gauge(
            "kernel_bans_left_out",
            "Bans that the service carries out alone, by why the kernel is not told of them.",
            lambda kernel: kernel.left_out,
            label_of("reason", LeftOut),
        ),
        counter(
            "kernel_bans_told",
            "Networks that dohproxy-nft was told to have dropped, renewals too.",
            lambda kernel: kernel.told,
        ),
        counter("kernel_bans_refused", "Those of them that it did not take.", lambda kernel: kernel.refused),
        counter(
            "kernel_bans_packets",
            "Packets that the kernel has dropped, each an attempt to connect or its repetition.",
            lambda kernel: kernel.packets,
        ),
        counter(
            "kernel_bans_failures",
            "Attempts to reach dohproxy-nft that came to nothing, and connections to it that were lost.",
            lambda kernel: kernel.failures,
        ),
    ),
    "with `bans.kernel_socket`",
)

PAGE_JOB_FIGURES: Final = FigureGroup[PageJobStatistics](
    "What the public pages tell",
    (
        gauge("page_incidents", "Incidents that are remembered.", lambda job: job.incidents, together=Together.MOST),
        gauge(
            "max_page_incidents",
            "Most incidents that are remembered.",
            lambda job: job.most_incidents,
            together=Together.MOST,
        ),
        gauge(
            "page_folder_written_seconds",
            "When the folder of public pages was written last, in Unix time; 0 if it was not.",
            lambda job: job.written_at,
            unit=Unit.UNIX_TIME,
        ),
        counter(
            "page_folder_failures",
            "Times that the folder of public pages could not be written.",
            lambda job: job.write_failures,
        ),
    ),
)

MEMBER_FILE_FIGURES: Final = FigureGroup[MemberFileStatistics](
    "Members with URLs of their own",
    (
        gauge("members", "Members in the file.", lambda file: file.listed, together=Together.MOST),
        gauge("valid_members", "Those whose time is not over.", lambda file: file.valid, together=Together.MOST),
        counter(
            "member_file_reads",
            "Attempts to read the file of members, by what became of them.",
            lambda file: file.reads,
            label_of("result", MemberFileResult),
        ),
        gauge(
            "member_file_last_read_success",
            "1 if what the file holds is in use.",
            lambda file: file.last_succeeded,
            unit=Unit.SWITCH,
            together=Together.LEAST,
        ),
    ),
    "with `clients.member_file`",
)
