#include "testing/disk/slow_file_system.h"

#include <thread>
#include <utility>

namespace weir::testing {
namespace {

class SlowFile final : public io::File {
 public:
  SlowFile(std::unique_ptr<io::File> beneath, std::chrono::milliseconds sync)
      : beneath_(std::move(beneath)), sync_(sync) {}

  base::Result<size_t> ReadAt(uint64_t at, std::span<char> to) const override {
    return beneath_->ReadAt(at, to);
  }
  base::Status WriteAt(uint64_t at, std::span<const std::string_view> parts) override {
    return beneath_->WriteAt(at, parts);
  }
  base::Status SyncData() override {
    const auto until = std::chrono::steady_clock::now() + sync_;
    base::Status synced = beneath_->SyncData();
    std::this_thread::sleep_until(until);
    return synced;
  }
  base::Status Allocate(uint64_t size) override { return beneath_->Allocate(size); }
  base::Status Truncate(uint64_t size) override { return beneath_->Truncate(size); }
  base::Status ForgetCached(uint64_t at, uint64_t size) override {
    return beneath_->ForgetCached(at, size);
  }
  base::Result<uint64_t> Size() const override { return beneath_->Size(); }

 private:
  const std::unique_ptr<io::File> beneath_;
  const std::chrono::milliseconds sync_;
};

}  // namespace

base::Result<std::unique_ptr<io::File>> SlowFileSystem::Open(const std::string& path,
                                                             io::OpenMode mode) {
  WEIR_ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, beneath_.Open(path, mode));
  return std::unique_ptr<io::File>(std::make_unique<SlowFile>(std::move(file), sync_));
}

}  // namespace weir::testing
