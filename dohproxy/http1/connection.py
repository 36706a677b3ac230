"""From bytes to requests, one after the other, however the bytes are cut."""

from dohproxy.http1.chunks import ChunkedBody
from dohproxy.http1.errors import BadRequest, Fault
from dohproxy.http1.head import RequestHead, check_begun_line, check_field_line, read_head, read_line
from dohproxy.http1.limits import LARGEST_HEADER, LONGEST_HEAD, MOST_EMPTY_LINES, MOST_FIELDS
from dohproxy.value import value


@value
class Request:
    """A complete request."""

    head: RequestHead
    body: bytes | None
    """The body; None if there is more of it than is read."""
    is_last: bool
    """Whether nothing behind it is read: the client says so, its version does, or the body's end is not known."""


class Http1Connection:
    """What one client sends. Keeps what it has not read yet, in at most twice as many bytes and what belongs to one
    request, and limits none of that: stop giving it any."""

    def __init__(self, max_body_bytes: int) -> None:
        self._most_body_bytes = max_body_bytes
        self._data = b""
        self._start = 0
        """Where what is not read begins."""
        self._checked = 0
        """Where the first line of an unfinished head begins that is not checked yet."""
        self._block_start = 0
        """Where its fields begin, once its first line is checked."""
        self._lines = 0
        """How many lines of an unfinished head are checked."""
        self._empty_lines = 0
        self._head: RequestHead | None = None
        """The head of a request whose body is not whole yet."""
        self._chunks: ChunkedBody | None = None
        self._owes_invitation = False
        self.is_over = False
        """Nothing more is read."""

    # --- What is known ---

    @property
    def held_bytes(self) -> int:
        """How many bytes have not been read yet."""
        return len(self._data) - self._start

    @property
    def is_between(self) -> bool:
        """Whether it stands between two requests, and nothing has come of the next."""
        return self._head is None and self._start == len(self._data) and not self.is_over

    @property
    def is_untouched(self) -> bool:
        """Whether it stands there, and not even an empty line has come behind the last request."""
        return self._head is None and self._start == len(self._data) and not self._empty_lines and not self.is_over

    @property
    def is_in_body(self) -> bool:
        """Whether a request's head is read and its body is awaited."""
        return self._head is not None

    # --- Bytes in, requests out ---

    def receive(self, data: bytes) -> None:
        """Take what has come."""
        if self.is_over:
            return
        start = self._start
        if start == len(self._data):
            self._data = data
        else:
            self._data = self._data[start:] + data
        self._checked -= start
        self._block_start -= start
        self._start = 0

    def next_request(self) -> Request | None:
        """Return the next request, None if it is not whole yet.

        Raises BadRequest if it is none; then, and after a last one, there is no other.
        """
        try:
            request = self._next()
        except BadRequest:
            self.finish()
            raise
        if request is not None and request.is_last:
            self.finish()
        return request

    def take_invitation(self) -> bool:
        """Tell, once, whether the client waits to be told to send its body, and a body of this length is read."""
        owed, self._owes_invitation = self._owes_invitation, False
        return owed

    def finish(self) -> None:
        """Forget everything: nothing more is read."""
        self.is_over = True
        self._data = b""
        self._start = 0
        self._head = None
        self._chunks = None
        self._owes_invitation = False

    def _next(self) -> Request | None:
        head = self._head
        if head is None:
            if self._start == len(self._data):
                return None
            head = self._read_head()
            if head is None:
                return None
        rest = head.rest
        if rest.is_chunked:
            return self._read_chunks(head)
        length = rest.content_length or 0
        if length > self._most_body_bytes:
            return Request(head, None, is_last=True)
        end = self._start + length
        if end > len(self._data):
            self._await_body(head)
            return None
        body = self._data[self._start : end] if length else b""
        return self._complete(head, body, end)

    # --- The head ---

    def _read_head(self) -> RequestHead | None:
        data = self._data
        if self._checked <= self._start:
            self._skip_empty_lines()
        start = self._start
        # The line that is not checked yet may be the empty one at the end.
        end = data.find(b"\r\n\r\n", max(start, self._checked - 2), start + LONGEST_HEAD)
        if end < 0:
            self._check_begun()
            return None
        line_end = data.find(b"\r\n", start, end + 2)
        head = read_head(data[start:line_end], data[line_end + 2 : end + 2])
        self._start = self._checked = end + 4
        self._lines = self._empty_lines = 0
        return head

    def _skip_empty_lines(self) -> None:
        """A server should ignore at least one (section 2.2)."""
        while self._data.startswith(b"\r\n", self._start):
            self._start += 2
            self._empty_lines += 1
            if self._empty_lines > MOST_EMPTY_LINES:
                raise BadRequest(Fault.MALFORMED)
        self._checked = self._start

    def _check_begun(self) -> None:
        """Raise BadRequest as soon as what there is of a head cannot become a good one."""
        data = self._data
        at = self._checked
        while (end := data.find(b"\r\n", at)) >= 0:
            if not self._lines:
                read_line(data[at:end])
                self._block_start = end + 2
            elif self._lines > MOST_FIELDS or end + 2 - self._block_start > LARGEST_HEADER:
                raise BadRequest(Fault.LARGE_HEADER)
            else:
                check_field_line(data[at:end])
            self._lines += 1
            at = self._checked = end + 2
        begun = data[at:]
        if not self._lines:
            if begun != b"\r":  # The beginning of an empty line.
                check_begun_line(begun)
        elif len(data) - self._block_start > LARGEST_HEADER + 1:  # One for the end of the empty line.
            raise BadRequest(Fault.LARGE_HEADER)
        else:
            check_field_line(begun, is_begun=True)

    # --- The body ---

    def _await_body(self, head: RequestHead) -> None:
        if self._head is None:
            self._head = head
            # A client of HTTP/1.0 would take the invitation for the answer.
            self._owes_invitation = head.rest.expects_continue and not head.is_old

    def _read_chunks(self, head: RequestHead) -> Request | None:
        if self._chunks is None:
            self._chunks = ChunkedBody(self._most_body_bytes)
        chunks = self._chunks
        self._start = chunks.read(self._data, self._start)
        if chunks.is_too_long:
            return Request(head, None, is_last=True)
        if not chunks.is_complete:
            self._await_body(head)
            return None
        return self._complete(head, chunks.body(), self._start)

    def _complete(self, head: RequestHead, body: bytes, end: int) -> Request:
        self._start = self._checked = end
        if 2 * end >= len(self._data):
            # Not each time: a segment may have thousands of requests, and they would all be moved as often.
            self._data = self._data[end:]
            self._start = self._checked = 0
        self._head = None
        self._chunks = None
        self._owes_invitation = False
        return Request(head, body, is_last=head.is_old or head.rest.says_close)
