// Which protocol a connection speaks, by what its client says first.
#pragma once

#include <string_view>

namespace weir::net {

// What a client that speaks HTTP/2 sends first (RFC 9113, section 3.4).
inline constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum class Opening { kUndecided, kHttp1, kHttp2 };

// `agreed`: what TLS has agreed on (ALPN), which decides; empty: nothing. Without it HTTP/2's
// preface begins HTTP/2 (RFC 9113, section 3.3), and everything else is HTTP/1.1, but for a line
// that names another protocol's version: that is a preface gone wrong, and HTTP/2 says so.
Opening LookAtOpening(std::string_view bytes, std::string_view agreed);

}  // namespace weir::net
