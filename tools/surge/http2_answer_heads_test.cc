#include "tools/surge/http2_answer_heads.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weir::surge {
namespace {

// A server's side of the same connection.
class Server {
 public:
  using Fields = std::vector<std::pair<std::string, std::string>>;

  Server() { EXPECT_EQ(nghttp2_hd_deflate_new(&deflater_, 4096), 0); }
  ~Server() { nghttp2_hd_deflate_del(deflater_); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string Block(const Fields& fields, uint8_t flags = NGHTTP2_NV_FLAG_NONE) {
    std::vector<nghttp2_nv> all;
    for (const auto& [name, value] : fields) {
      const auto bytes = [](const std::string& text) {
        return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
      };
      all.push_back({bytes(name), bytes(value), name.size(), value.size(), flags});
    }
    std::string block(nghttp2_hd_deflate_bound(deflater_, all.data(), all.size()), '\0');
    const ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(block.data()),
                                               block.size(), all.data(), all.size());
    EXPECT_GE(size, 0);
    block.resize(static_cast<size_t>(size));
    return block;
  }
  void ChangeTable(size_t bytes) { nghttp2_hd_deflate_change_table_size(deflater_, bytes); }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

// Whatever a server answers, in whatever order, and whether or not it adds to its table: what was
// recognised says what decoding would.
TEST(Http2AnswerHeads, ReadWhatTheServerWrote) {
  std::mt19937 random(7);
  Server server;
  Http2AnswerHeads heads;
  const auto draw = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
  for (int i = 0; i < 20'000; ++i) {
    const int status = std::vector{200, 202, 202, 202, 404, 409, 422, 429, 503, 507}[draw(10)];
    const bool come_again = status == 429 || status >= 503;
    const unsigned seconds = draw(3);
    Server::Fields fields{{":status", std::to_string(status)},
                          {"server", "weir"},
                          {"date", "Thu, 26 Nov 2026 18:00:" + std::to_string(10 + i / 1000)},
                          {"content-length", std::to_string(320 + draw(3))}};
    if (come_again) fields.emplace_back("retry-after", std::to_string(seconds));
    if (i % 3000 == 2999) server.ChangeTable(i % 2 ? 60 : 4096);
    const auto head =
        heads.Read(server.Block(fields, draw(20) == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : 0));
    ASSERT_TRUE(head) << i;
    ASSERT_EQ(head->status, status) << i;
    ASSERT_EQ(head->retry_after_s, come_again ? static_cast<double>(seconds) : -1) << i;
  }
}

TEST(Http2AnswerHeads, SayThatTrailersHaveNoStatus) {
  Server server;
  Http2AnswerHeads heads;
  EXPECT_EQ(heads.Read(server.Block({{"checksum", "1"}}))->status, 0);
  EXPECT_EQ(heads.Read("")->status, 0);
}

TEST(Http2AnswerHeads, RefuseWhatCannotBeDecoded) {
  EXPECT_FALSE(Http2AnswerHeads().Read("\xff\xff\xff\xff\xff\xff\xff"));
  EXPECT_FALSE(Http2AnswerHeads().Read("\xbe"));  // an entry that was never added
  EXPECT_FALSE(Http2AnswerHeads().Read(std::string_view("\x08\x03\x32\x30", 4)));  // cut off
  Server server;
  EXPECT_FALSE(Http2AnswerHeads().Read(server.Block({{":status", "many"}})));
}

TEST(ChangesTable, TellsBlocksApart) {
  Server server;
  const Server::Fields fields{{":status", "202"}, {"server", "weir"}};
  const std::string first = server.Block(fields);
  const std::string later = server.Block(fields);
  EXPECT_TRUE(ChangesTable(first));
  EXPECT_FALSE(ChangesTable(later));
  EXPECT_FALSE(ChangesTable(server.Block({{"secret", "x"}}, NGHTTP2_NV_FLAG_NO_INDEX)));
  server.ChangeTable(0);
  EXPECT_TRUE(ChangesTable(server.Block(fields)));
  // Malformed: not to be remembered.
  EXPECT_TRUE(ChangesTable("\xff\xff\xff\xff\xff\xff\xff"));
  EXPECT_TRUE(ChangesTable(std::string_view("\x08\x03\x32\x30", 4)));
  EXPECT_TRUE(ChangesTable(std::string_view("\x00\x7f", 2)));
}

}  // namespace
}  // namespace weir::surge
