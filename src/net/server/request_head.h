// A request's header, read from one contiguous piece of memory into views of it.
//
// Stricter than HTTP must be where two readers might disagree about where a request ends (request
// smuggling), or about whom it is for: both lengths, unequal lengths, folded lines, white space
// before a colon, codings other than chunked, no Host or two.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "net/http.h"
#include "net/server/body_decoder.h"

namespace weir::net {

// How the server answers what it does not pass on. `detail` is a sentence for the sender.
struct Refusal {
  int status = 0;  // 0: not refused
  std::string_view detail;
  explicit operator bool() const { return status != 0; }
};

inline constexpr Refusal kHeaderTooLarge{431, "the header is larger than this server takes"};

struct RequestHead {
  Request request;  // but ticket, body, received_ns and peer
  std::vector<Header> headers;
  bool http11 = false;
  bool keep_alive = false;
  bool chunked = false;
  bool expects_continue = false;
  Coding coding = Coding::kIdentity;
};

// The size of the header at the front of `bytes`, its empty line included; 0: it is not complete.
// `*scanned` remembers where to go on when more bytes have come; 0 at first.
size_t FindHeadEnd(std::string_view bytes, size_t* scanned);

// `bytes` is exactly one header. `head` is written over and keeps its memory.
Refusal ParseRequestHead(std::string_view bytes, RequestHead* head);

}  // namespace weir::net
