#include "journal/run_format.h"

#include <cstdio>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"

namespace weir::journal {
namespace {

using base::ErrorCode;
using base::Fail;

constexpr std::string_view kMagic = "WEIRRUN1";
constexpr size_t kNameDigits = 16;
constexpr std::string_view kSuffix = ".run";

std::string_view View(const Key& key) {
  return {reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()};
}

Key ReadKey(base::ByteReader& reader) {
  Key key;
  const std::string_view bytes = reader.Bytes(key.bytes.size());
  if (reader.ok()) std::memcpy(key.bytes.data(), bytes.data(), bytes.size());
  return key;
}

}  // namespace

std::string RunName(const RunRange& range) {
  char name[2 * kNameDigits + 2];
  std::snprintf(name, sizeof name, "%016llx-%016llx",
                static_cast<unsigned long long>(range.begin.value()),
                static_cast<unsigned long long>(range.end.value()));
  return std::string(name).append(kSuffix);
}

std::optional<RunRange> ParseRunName(std::string_view name) {
  if (name.size() != 2 * kNameDigits + 1 + kSuffix.size() || name[kNameDigits] != '-' ||
      !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  uint8_t begin[8];
  uint8_t end[8];
  if (!base::FromHex(name.substr(0, kNameDigits), begin) ||
      !base::FromHex(name.substr(kNameDigits + 1, kNameDigits), end)) {
    return std::nullopt;
  }
  const auto number = [](const uint8_t* bytes) {
    return __builtin_bswap64(base::GetInt<uint64_t>(reinterpret_cast<const char*>(bytes)));
  };
  RunRange range{Offset(number(begin)), Offset(number(end)), {}};
  if (range.begin >= range.end) return std::nullopt;
  return range;
}

size_t Slice::memory_bytes() const {
  return sizeof(Slice) + filter.memory_bytes() + fences.capacity() * sizeof(uint32_t);
}

void AppendBlock(std::string& out, uint32_t number, std::span<const KeyEntry> entries) {
  WEIR_CHECK(entries.size() <= kRunBlockEntriesMax);
  const size_t at = out.size();
  base::AppendInt(out, uint32_t{0});
  base::AppendInt(out, static_cast<uint32_t>(entries.size()));
  base::AppendInt(out, uint64_t{number});
  out.append(reinterpret_cast<const char*>(entries.data()), entries.size_bytes());
  out.resize(at + kRunBlockBytes, '\0');
  const std::string_view checked = std::string_view(out).substr(at + sizeof(uint32_t));
  base::PutInt(out.data() + at, base::Crc32c(checked));
}

bool BlockIsSound(const char* block, uint32_t number) {
  const std::string_view checked(block + sizeof(uint32_t), kRunBlockBytes - sizeof(uint32_t));
  return base::GetInt<uint32_t>(block) == base::Crc32c(checked) &&
         base::GetInt<uint32_t>(block + 4) <= kRunBlockEntriesMax &&
         base::GetInt<uint64_t>(block + 8) == number;
}

std::span<const KeyEntry> BlockEntries(const char* block) {
  return {reinterpret_cast<const KeyEntry*>(block + kRunBlockHeaderBytes),
          base::GetInt<uint32_t>(block + 4)};
}

std::string SectionBytes(const Slice& slice) {
  std::string out(kRunSectionHeaderBytes, '\0');
  out.append(View(slice.first)).append(View(slice.last));
  base::AppendInt(out, slice.entries);
  base::AppendInt(out, slice.block_begin);
  base::AppendInt(out, static_cast<uint32_t>(slice.fences.size()));
  for (const uint32_t fence : slice.fences) base::AppendInt(out, fence);
  slice.filter.AppendTo(out);
  const std::string_view body = std::string_view(out).substr(kRunSectionHeaderBytes);
  base::PutInt(out.data(), static_cast<uint32_t>(body.size()));
  base::PutInt(out.data() + 4, base::Crc32c(body));
  return out;
}

uint32_t SectionBodySize(std::string_view header) { return base::GetInt<uint32_t>(header.data()); }

base::Result<std::shared_ptr<const Slice>> ParseSection(std::string_view header,
                                                        std::string_view body) {
  if (body.size() != SectionBodySize(header) ||
      base::Crc32c(body) != base::GetInt<uint32_t>(header.data() + 4)) {
    return Fail(ErrorCode::kCorruption, "a slice's section fails its checksum");
  }
  base::ByteReader reader(body);
  auto slice = std::make_shared<Slice>();
  slice->first = ReadKey(reader);
  slice->last = ReadKey(reader);
  slice->entries = reader.Int<uint64_t>();
  slice->block_begin = reader.Int<uint32_t>();
  const auto blocks = reader.Int<uint32_t>();
  const std::string_view fences = reader.Bytes(uint64_t{blocks} * sizeof(uint32_t));
  if (!reader.ok() || blocks == 0) {
    return Fail(ErrorCode::kCorruption, "a slice's section is too short");
  }
  slice->fences.resize(blocks);
  std::memcpy(slice->fences.data(), fences.data(), fences.size());
  WEIR_ASSIGN_OR_RETURN(slice->filter, KeyFilter::Parse(reader.rest()));
  return std::shared_ptr<const Slice>(std::move(slice));
}

std::string FooterBytes(const RunFooter& footer) {
  std::string out(kMagic);
  base::AppendInt(out, footer.range.begin.value());
  base::AppendInt(out, footer.range.end.value());
  out.append(footer.range.chain.view());
  base::AppendInt(out, footer.entries);
  base::AppendInt(out, footer.sections_bytes);
  base::AppendInt(out, footer.blocks);
  base::AppendInt(out, footer.slices);
  base::AppendInt(out, footer.sections_crc);
  out.resize(kRunFooterBytes - sizeof(uint32_t), '\0');
  base::AppendInt(out, base::Crc32c(out));
  return out;
}

std::optional<RunFooter> ParseFooter(std::string_view bytes) {
  if (bytes.size() != kRunFooterBytes) return std::nullopt;
  const std::string_view checked = bytes.substr(0, kRunFooterBytes - sizeof(uint32_t));
  if (base::GetInt<uint32_t>(bytes.data() + checked.size()) != base::Crc32c(checked)) {
    return std::nullopt;
  }
  base::ByteReader reader(checked);
  if (reader.Bytes(kMagic.size()) != kMagic) return std::nullopt;
  RunFooter footer;
  footer.range.begin = Offset(reader.Int<uint64_t>());
  footer.range.end = Offset(reader.Int<uint64_t>());
  const std::string_view chain = reader.Bytes(footer.range.chain.bytes.size());
  std::memcpy(footer.range.chain.bytes.data(), chain.data(), chain.size());
  footer.entries = reader.Int<uint64_t>();
  footer.sections_bytes = reader.Int<uint64_t>();
  footer.blocks = reader.Int<uint32_t>();
  footer.slices = reader.Int<uint32_t>();
  footer.sections_crc = reader.Int<uint32_t>();
  return footer;
}

}  // namespace weir::journal
