// A chunked body is taken apart the same way in whatever pieces it comes, and only if it is one.
#include "net/server/chunked_reader.h"

#include <gtest/gtest.h>

#include <string>

namespace weir::net {
namespace {

constexpr size_t kFramingMax = 64;

// What the body holds and "!" where it ends in order, "?" while more is wanted, "#" malformed; then
// what was left unread.
std::string ReadInPieces(std::string_view bytes, size_t piece) {
  ChunkedReader reader(kFramingMax);
  std::string out;
  while (true) {
    const auto step = reader.Read(bytes.substr(0, piece));
    out += step.data;
    bytes.remove_prefix(step.consumed);
    if (step.state == ChunkedReader::State::kMalformed) return out + "#";
    if (step.state == ChunkedReader::State::kDone) return out + "!" + std::string(bytes);
    if (bytes.empty()) return out + "?";
  }
}

TEST(ChunkedReader, TakesAndRefusesTheSameInAnyPieces) {
  const std::string long_extension(kFramingMax, 'x');
  struct Case {
    std::string bytes;
    std::string_view read;
  };
  const Case cases[] = {
      {"3\r\nabc\r\n0\r\n\r\nnext", "abc!next"},
      {"3;x=\"y\"\r\nabc\r\nA \t;q\r\n0123456789\r\n0\r\nTrailer: t\r\nOther:\r\n\r\n",
       "abc0123456789!"},
      {"0\r\n\r\n", "!"},
      {"00000\r\n\r\n", "!"},
      {"3\r\nab", "ab?"},
      {"", "?"},
      {"\r\n", "#"},
      {"g\r\n", "#"},
      {"-1\r\n", "#"},
      {" 3\r\nabc", "#"},
      {"3\nabc", "#"},
      {"3\rabc", "#"},
      {"3\r\nabcd\r\n", "abc#"},
      {"3\r\nabc\n0\r\n\r\n", "abc#"},
      {"1111111111111111\r\n", "#"},
      {"3;" + long_extension + "\r\nabc", "#"},
      // What was once found by fuzzing: trailers that are none, in one piece and in several.
      {std::string("0\r\nTr\0utl\ner: t\r\n\r\n", 18), "#"},
      {"0;x=\"y\"\r\ncht: a\r\nt:OST /e HTTP/1.1\r\nEx: \x8c\r\n\r\n", "!"},
      {"0\r\nfold: a\r\n b\r\n\r\n", "#"},
      {"0\r\nno colon\r\n\r\n", "#"},
      {"0\r\n: no name\r\n\r\n", "#"},
      {"0\r\na: b\n\r\n", "#"},
      {"0\r\na: " + long_extension + "\r\n\r\n", "#"},
  };
  for (const auto& [bytes, read] : cases) {
    for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, bytes.size() + 1}) {
      EXPECT_EQ(ReadInPieces(bytes, piece), read) << bytes << " in pieces of " << piece;
    }
  }
}

}  // namespace
}  // namespace weir::net
