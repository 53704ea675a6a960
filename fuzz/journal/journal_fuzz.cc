// Any bytes as the newest segment of a journal: recovery, the reader, verify, list and dump take
// them without a fault, recovery is done after one pass, and what it accepts verify accepts.
//
// The first byte chooses whether the checksums are made right first, so that what they guard is
// reached: lengths, counts, offsets and links that contradict each other.
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "journal/inspect.h"
#include "journal/verify.h"
#include "testing/disk/faulty_file_system.h"
#include "testing/journal/plain_journal.h"

namespace {

using weir::base::Crc32c;
using weir::base::GetInt;
using weir::base::PutInt;
using namespace weir::journal;  // NOLINT: a program of one file

constexpr size_t kBytesMax = 64u << 10;

void FixSums(std::string& bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return;
  PutInt<uint64_t>(bytes.data() + 16, bytes.size());  // the size that was reserved
  PutInt(bytes.data() + 8, Crc32c({bytes.data() + 12, kSegmentHeaderBytes - 12}));
  for (size_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= bytes.size();
       at += kSectorBytes) {
    char* const frame = bytes.data() + at;
    if (GetInt<uint32_t>(frame) != 0x4d465257) continue;
    const bool batch = frame[8] == 1;
    const size_t room = bytes.size() - at - kFrameHeaderBytes;
    const size_t table = batch ? size_t{GetInt<uint32_t>(frame + 12)} * kEntryBytes : 0;
    const size_t stored = GetInt<uint32_t>(frame + 48);
    if (table <= room && stored <= room - table) {
      PutInt(frame + 52, Crc32c({frame + kFrameHeaderBytes, table}));
      PutInt(frame + 56, Crc32c({frame + kFrameHeaderBytes + table, stored}));
    }
    PutInt(frame + 4, Crc32c({frame + 8, kFrameHeaderBytes - 8}));
  }
}

void ReadAll(SegmentSet& segments, Offset begin, Offset end) {
  Reader reader(segments, 1u << 20);
  Block block;
  for (Offset at = begin; at < end;) {
    if (!reader.Read(at, end, 100, 1u << 20, &block)) {
      ++at;
      continue;
    }
    WEIR_CHECK(!block.records.empty() && block.records.front().offset == at);
    at = block.records.back().offset + 1;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > kBytesMax) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) FixSums(bytes);
  weir::testing::FaultyFileSystem disk(1);
  WEIR_CHECK(disk.MakeDirectories("journal").has_value());
  const auto header = DecodeSegmentHeader(bytes);
  const std::string name = "journal/" + SegmentName(header ? header->first : Offset());
  disk.SetContents(name, bytes);
  if (header && header->first != Offset()) {
    // What is before it was archived.
    Manifest manifest;
    manifest.segments.push_back({Offset(), header->first, 0, {}, header->chain, 0});
    disk.SetContents("journal/archive.manifest", EncodeManifest(manifest));
  }

  (void)Verify(disk, "journal", std::nullopt);
  (void)ListSegments(disk, "journal");
  (void)DumpRecords(
      disk, "journal", Offset(), 1000, [](const RecordView&) { return weir::base::Status{}; },
      [](Offset, Offset, const std::string&) {});
  {
    weir::testing::PlainJournal journal(disk, {});
    if (!journal.Open()) return 0;
    const Offset begin = journal.recovered().begin;
    const Offset end = journal.recovered().end;
    if (end - begin <= 100'000) ReadAll(journal.segments(), begin, end);
    disk.Kill();
    weir::testing::PlainJournal again(disk, {});
    WEIR_CHECK(again.Open().has_value());
    WEIR_CHECK(again.recovered().end == end && again.recovered().torn_bytes == 0);
  }
  return 0;
}
