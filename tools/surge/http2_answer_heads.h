// Reads the header blocks of the answers on one HTTP/2 connection (HPACK, through nghttp2), as far
// as surge wants to know: the status, and when to come again.
//
// A server that answers alike sends the same block again and again. One that changes no table means
// the same as the last time for as long as no other has changed it: it is recognised, not decoded.
// One thread.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace weir::surge {

class Http2AnswerHeads {
 public:
  Http2AnswerHeads();
  ~Http2AnswerHeads();
  Http2AnswerHeads(const Http2AnswerHeads&) = delete;
  Http2AnswerHeads& operator=(const Http2AnswerHeads&) = delete;

  struct Head {
    int status = 0;             // 0: there is none, as in trailers
    double retry_after_s = -1;  // negative: the field is absent
  };
  // Every block of the connection, in order, whatever its stream. Nullopt: malformed; the
  // connection is of no more use.
  std::optional<Head> Read(std::string_view block);

 private:
  std::optional<Head> Decode(std::string_view block);

  struct Known {
    std::string block;
    Head head;
  };
  nghttp2_hd_inflater* inflater_ = nullptr;
  std::array<Known, 4> known_;  // an empty block: none
  size_t next_ = 0;             // of known_, to be replaced
};

// Whether decoding the block changes the table of its connection; also true if it is malformed.
bool ChangesTable(std::string_view block);

}  // namespace weir::surge
