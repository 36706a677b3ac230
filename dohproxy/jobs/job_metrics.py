"""The figures of what runs in the background: the certificate, the list of suffixes, the files of cache and state."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from dohproxy.jobs.cache_file import CacheFileStatistics
from dohproxy.jobs.certificate_watch import CertificateStatistics
from dohproxy.jobs.state_file import StateFileStatistics
from dohproxy.jobs.suffix_watch import SuffixStatistics
from dohproxy.observability.metrics import counter, gauge, labelled_counter


def certificate_metrics(certificate: CertificateStatistics) -> Iterator[Metric]:
    """Yield how long the certificate lasts, and whether what lies on the disk is in use."""
    yield gauge("dohproxy_certificate_not_after_seconds", "When it expires, in Unix time.", certificate.not_after)
    yield labelled_counter(
        "dohproxy_certificate_reloads",
        "New certificates found on the disk, by what became of them.",
        ("result",),
        [((result.value,), float(count)) for result, count in certificate.reloads.items()],
    )
    yield gauge(
        "dohproxy_certificate_last_reload_success",
        "1 if the certificate on the disk is in use, 0 if it was refused.",
        float(certificate.last_succeeded),
    )
    yield gauge(
        "dohproxy_handshake_cpu_seconds",
        "What one handshake with this certificate costs, of one core.",
        certificate.handshake_seconds,
    )


def suffix_list_metrics(suffixes: SuffixStatistics) -> Iterator[Metric]:
    """Yield how old the list of public suffixes is, what it holds, and whether what lies on the disk is in use."""
    yield gauge("dohproxy_suffix_list_age_seconds", "Since the list of public suffixes was made.", suffixes.age_seconds)
    yield gauge(
        "dohproxy_suffix_list_max_age_seconds", "Age at which it denies nothing any more.", suffixes.max_age_seconds
    )
    yield gauge("dohproxy_suffix_list_rules", "Public suffixes in it.", suffixes.rules)
    yield gauge("dohproxy_suffix_list_top_level_domains", "Top-level domains in it.", suffixes.top_level_domains)
    yield gauge("dohproxy_suffix_list_denies", "1 while names under others are denied here.", float(suffixes.denies))
    yield labelled_counter(
        "dohproxy_suffix_list_reloads",
        "Files found on the disk, by what became of them.",
        ("result",),
        [((result.value,), float(count)) for result, count in suffixes.reloads.items()],
    )
    yield gauge(
        "dohproxy_suffix_list_last_reload_success",
        "1 if the file on the disk is in use, or none is configured; 0 if it was refused.",
        float(suffixes.last_succeeded),
    )


def cache_file_metrics(file: CacheFileStatistics) -> Iterator[Metric]:
    """Yield what came back from the last run, and whether the next one will find anything."""
    yield gauge("dohproxy_cache_snapshot_restored", "Entries taken back at the start.", file.restored)
    yield gauge("dohproxy_cache_snapshot_left_out", "Entries found at the start and not taken back.", file.left_out)
    yield gauge(
        "dohproxy_cache_snapshot_saved_at_seconds", "When it was last saved, in Unix time; 0: not yet.", file.saved_at
    )
    yield gauge("dohproxy_cache_snapshot_entries", "Entries last saved.", file.saved)
    yield gauge("dohproxy_cache_snapshot_max_entries", "Entries that are saved at most.", file.most_entries)
    yield counter("dohproxy_cache_snapshot_failures", "Snapshots that could not be saved.", file.save_failures)


def state_file_metrics(file: StateFileStatistics) -> Iterator[Metric]:
    """Yield what came back from the last run, and whether the next one will find anything."""
    yield gauge("dohproxy_state_restored", "Budgets and upstreams that go on as in the last run.", file.restored)
    yield gauge("dohproxy_state_restored_slots", "Networks whose time here was taken back.", file.restored_slots)
    yield gauge("dohproxy_state_saved_at_seconds", "When it was last saved, in Unix time; 0: not yet.", file.saved_at)
    yield gauge("dohproxy_state_bytes", "Of the file last saved.", file.saved_bytes)
    yield gauge("dohproxy_state_max_bytes", "Of a file that is written or read.", file.most_bytes)
    yield counter(
        "dohproxy_state_failures", "Saves that failed; and 1 if there is no key to save with.", file.save_failures
    )
