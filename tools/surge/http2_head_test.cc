#include "tools/surge/http2_head.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <optional>

namespace weir::surge {
namespace {

// What a peer reads, whose table may hold `table_bytes`.
class Peer {
 public:
  explicit Peer(size_t table_bytes = Http2Head::kTableBytes) {
    EXPECT_EQ(nghttp2_hd_inflate_new(&inflater_), 0);
    if (table_bytes != Http2Head::kTableBytes) {
      nghttp2_hd_inflate_change_table_size(inflater_, table_bytes);
    }
  }
  ~Peer() { nghttp2_hd_inflate_del(inflater_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::optional<Http2Head::Fields> Read(std::string_view block) {
    Http2Head::Fields fields;
    const auto* at = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    for (int flags = 0; !(flags & NGHTTP2_HD_INFLATE_FINAL);) {
      nghttp2_nv field;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, left, 1);
      if (used < 0) return std::nullopt;
      at += used;
      left -= static_cast<size_t>(used);
      if (!(flags & NGHTTP2_HD_INFLATE_EMIT)) continue;
      fields.emplace_back(std::string(reinterpret_cast<char*>(field.name), field.namelen),
                          std::string(reinterpret_cast<char*>(field.value), field.valuelen));
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return fields;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
};

Http2Head::Fields SomeFields() {
  return {{":method", "POST"},
          {":scheme", "https"},
          {":authority", "127.0.0.1:8080"},
          {":path", "/submit"},
          {"user-agent", "weir-surge"},
          {"content-type", "application/json"},
          {"content-length", "331"},
          {"x-of-nobody", std::string(200, 'x')},
          {"authorization", "Bearer " + std::string(64, 'a')}};
}

TEST(Http2Head, SaysTheSameInEachOfItsForms) {
  const Http2Head head(SomeFields());
  Peer peer;
  EXPECT_EQ(peer.Read(head.plain()), SomeFields());
  EXPECT_EQ(peer.Read(head.first()), SomeFields());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(peer.Read(head.later()), SomeFields());
  EXPECT_EQ(peer.Read(head.plain()), SomeFields());
  EXPECT_EQ(peer.Read(head.later()), SomeFields());
}

TEST(Http2Head, IsOneByteAFieldOnceThePeerKnowsIt) {
  EXPECT_EQ(Http2Head(SomeFields()).later().size(), SomeFields().size());
}

TEST(Http2Head, IsSentWholeWhereThePeersTableIsTooSmall) {
  const Http2Head head(SomeFields());
  EXPECT_TRUE(head.fits(Http2Head::kTableBytes));
  for (const size_t bytes : {size_t{0}, size_t{100}, size_t{600}}) {
    EXPECT_FALSE(head.fits(bytes));
    Peer peer(bytes);
    EXPECT_EQ(peer.Read(TableSizeUpdate(bytes) + std::string(head.plain())), SomeFields());
    EXPECT_EQ(peer.Read(head.plain()), SomeFields());
  }
  // What a peer of such a table would make of the other forms: it notices.
  Peer peer(0);
  EXPECT_EQ(peer.Read(TableSizeUpdate(0) + std::string(head.first())), SomeFields());
  EXPECT_EQ(peer.Read(head.later()), std::nullopt);
}

TEST(Http2Head, UsesASmallerTableThatIsLargeEnough) {
  const Http2Head head(SomeFields());
  ASSERT_TRUE(head.fits(1000));
  Peer peer(1000);
  EXPECT_EQ(peer.Read(TableSizeUpdate(1000) + std::string(head.first())), SomeFields());
  EXPECT_EQ(peer.Read(head.later()), SomeFields());
}

}  // namespace
}  // namespace weir::surge
