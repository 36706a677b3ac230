"""How the public pages look: one sheet within each page, and what browsers are told to allow beside it, which is
nothing.

Light or dark as the reader's system is; from 320 pixels on; on paper without colours. No state is told by colour alone:
each has a shape and a word too.
"""

import base64
import hashlib
from typing import Final

STYLE: Final = """\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#545d68;--paper:#fff;--line:#d0d5dc;--mark:#0b57a4;\
--well:#0a6b3d;--limited:#8a5300;--disturbed:#b3261e;--soft:#f3f5f8}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--dim:#a9b1bb;--paper:#14171a;--line:#3a4048;--mark:#8ab8f0;\
--well:#5fd39a;--limited:#f0b450;--disturbed:#ff9a8f;--soft:#1d2126}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:46rem;padding:1rem;background:var(--paper);color:var(--ink);\
font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}
header,footer{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;align-items:baseline}
header{justify-content:space-between;border-bottom:1px solid var(--line);padding-bottom:.5rem}
footer{border-top:1px solid var(--line);margin-top:2rem;padding-top:.5rem;color:var(--dim);font-size:.9rem}
nav{display:flex;flex-wrap:wrap;gap:.1rem .9rem}nav a{white-space:nowrap}
a{color:var(--mark)}a:focus-visible{outline:3px solid var(--mark);outline-offset:2px}
h1{font-size:clamp(1.25rem,5vw,1.5rem);line-height:1.25;margin:1.5rem 0 .25rem}
h2{font-size:1.15rem;margin:1.75rem 0 .35rem}h3{font-size:1rem;margin:1.1rem 0 .2rem}
p{margin:.35rem 0}ul{margin:.35rem 0;padding-left:1.2rem}
.host{font-weight:600}
.state{display:flex;gap:.8rem;align-items:flex-start;background:var(--soft);border:1px solid var(--line);\
border-left:.4rem solid;border-radius:.4rem;padding:.8rem 1rem;margin:1.25rem 0 1rem}
.state svg{flex:none;width:2.2rem;height:2.2rem;margin-top:.1rem}.state h1{margin:0}.state div{min-width:0}
.well{border-left-color:var(--well)}.well svg{color:var(--well)}
.limited{border-left-color:var(--limited)}.limited svg{color:var(--limited)}
.disturbed{border-left-color:var(--disturbed)}.disturbed svg{color:var(--disturbed)}
.dim{color:var(--dim);font-size:.9rem}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(12.5rem,1fr));gap:.6rem 1.2rem;margin:.6rem 0}
dl div{border-left:2px solid var(--line);padding-left:.7rem}
dt{color:var(--dim);font-size:.9rem}dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}
figure{margin:1.1rem 0}figcaption{font-size:.9rem;margin-bottom:.3rem}
.chart{display:block;width:100%;height:5.5rem}
.bars{stroke:var(--mark);stroke-width:4}.curve{fill:none;stroke:var(--mark);stroke-width:2;vector-effect:non-scaling-stroke}
.base{stroke:var(--dim);stroke-width:1;vector-effect:non-scaling-stroke}
.ends{display:flex;justify-content:space-between;font-size:.85rem;color:var(--dim)}
img{max-width:100%;height:auto}.code{image-rendering:pixelated}.proof img{font-weight:600}\
summary{cursor:pointer}
.own{border-left:2px solid var(--line);padding-left:.8rem}
@media (max-width:26rem){.state{padding:.6rem .7rem;gap:.6rem}.state svg{width:1.6rem;height:1.6rem}}
@media print{:root{--ink:#000;--dim:#333;--paper:#fff;--line:#888;--mark:#000;--soft:#fff;--well:#000;\
--limited:#000;--disturbed:#000}nav{display:none}}
"""

_DIGEST: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def content_security_policy(picture_origin: str = "") -> str:
    """Return what a page may do: no script, no font, no frame, nothing from elsewhere but pictures from this origin if
    there is one; this sheet alone, and the icon that stands in the page."""
    pictures = f"data: {picture_origin}" if picture_origin else "data:"
    return (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src {pictures}; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    )


CONTENT_SECURITY_POLICY: Final = content_security_policy()
"""That of pages that have no picture from elsewhere."""
ICON: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Ccircle cx='8' cy='8' r='7'"
    " fill='%230b57a4'/%3E%3Cpath d='M4 8h8M8 4v8' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)
"""In the page, or each browser would ask for one more, and get 404."""
