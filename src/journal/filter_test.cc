#include "journal/filter.h"

#include <gtest/gtest.h>

#include <random>

namespace weir::journal {
namespace {

std::vector<Key> RandomKeys(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Key> keys(count);
  for (Key& key : keys) {
    for (uint8_t& byte : key.bytes) byte = static_cast<uint8_t>(random());
  }
  return keys;
}

TEST(KeyFilter, NeverForgetsAKeyAndSeldomNamesAnother) {
  FilterBuilder builder(20'000);
  for (const size_t size : {0, 1, 2, 3, 7, 64, 1000, 20'000}) {
    SCOPED_TRACE(size);
    const auto keys = RandomKeys(size, size);
    const KeyFilter filter = builder.Build(keys, 1);
    for (const Key& key : keys) ASSERT_TRUE(filter.MayContain(key));
    int named = 0;
    for (const Key& key : RandomKeys(100'000, 99)) named += filter.MayContain(key) ? 1 : 0;
    // One in 512 is 195; the standard deviation is 14.
    EXPECT_LT(named, 300);
  }
}

TEST(KeyFilter, CostsLessThanElevenBitsAKey) {
  FilterBuilder builder(100'000);
  const KeyFilter filter = builder.Build(RandomKeys(100'000, 5), 1);
  EXPECT_LT(static_cast<double>(filter.memory_bytes()) * 8 / 100'000, 11.0);
}

TEST(KeyFilter, IsTheSameAfterItWasStored) {
  FilterBuilder builder(5000);
  const auto keys = RandomKeys(5000, 3);
  const KeyFilter filter = builder.Build(keys, 77);
  std::string bytes;
  filter.AppendTo(bytes);
  const auto parsed = KeyFilter::Parse(bytes);
  ASSERT_TRUE(parsed);
  for (const Key& key : RandomKeys(20'000, 4)) {
    EXPECT_EQ(parsed->MayContain(key), filter.MayContain(key));
  }
  for (const Key& key : keys) EXPECT_TRUE(parsed->MayContain(key));
}

TEST(KeyFilter, RefusesBytesOfAnotherShape) {
  FilterBuilder builder(100);
  std::string bytes;
  builder.Build(RandomKeys(100, 3), 77).AppendTo(bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(KeyFilter::Parse(std::string_view(bytes).substr(0, size)));
  }
  EXPECT_FALSE(KeyFilter::Parse(bytes + "x"));
  for (const size_t at : {8, 9, 10, 11, 12, 13, 14, 15}) {
    std::string other = bytes;
    other[at] = static_cast<char>(other[at] ^ 0x55);
    const auto parsed = KeyFilter::Parse(other);
    EXPECT_TRUE(!parsed || parsed->memory_bytes() == bytes.size() - 16);
  }
}

// Equal keys are a broken promise of the caller: no key is lost by it.
TEST(KeyFilter, SaysMaybeToEverythingWhereItCannotBeBuilt) {
  FilterBuilder builder(10);
  const Key key = RandomKeys(1, 9)[0];
  const KeyFilter filter = builder.Build(std::vector<Key>{key, key}, 1);
  EXPECT_TRUE(filter.MayContain(key));
  for (const Key& other : RandomKeys(100, 10)) EXPECT_TRUE(filter.MayContain(other));
  const KeyFilter next = builder.Build(std::vector<Key>{key}, 1);
  EXPECT_TRUE(next.MayContain(key));
}

}  // namespace
}  // namespace weir::journal
