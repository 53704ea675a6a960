#include "observe/log_output.h"

#include <poll.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace weir::observe {
namespace {

class ToDescriptor final : public LogOutput {
 public:
  ToDescriptor(int descriptor, int patience_ms)
      : descriptor_(descriptor), patience_ms_(patience_ms) {}

  bool Write(std::string_view line) override {
    // What is left of a line that was cut must not run into this one.
    if (cut_ && !WriteAll("\n")) return false;
    cut_ = false;
    const size_t size = line.size();
    if (WriteAll(line)) return true;
    cut_ = rest_ > 0 && rest_ < size;
    return false;
  }

 private:
  bool WriteAll(std::string_view bytes) {
    rest_ = bytes.size();
    while (!bytes.empty()) {
      pollfd ready{descriptor_, POLLOUT, 0};
      const int polled = poll(&ready, 1, stuck_ ? 0 : patience_ms_);
      if (polled < 0 && errno == EINTR) continue;
      stuck_ = polled == 0;
      if (polled <= 0) return false;
      // A pipe that polls as writable takes PIPE_BUF bytes without blocking, and perhaps no more.
      const ssize_t written =
          write(descriptor_, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
      if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(written));
      rest_ = bytes.size();
    }
    return true;
  }

  const int descriptor_;
  const int patience_ms_;
  bool stuck_ = false;
  bool cut_ = false;
  size_t rest_ = 0;
};

class ToFile final : public LogOutput {
 public:
  ToFile(const std::string& path, uint64_t bytes_max, unsigned files_max)
      : sink_(path, bytes_max, files_max - 1) {
    sink_.set_pattern("%v");
  }
  bool Write(std::string_view line) override {
    line.remove_suffix(1);  // the sink ends lines itself
    try {
      sink_.log({spdlog::source_loc{}, "", spdlog::level::info,
                 spdlog::string_view_t(line.data(), line.size())});
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }
  void Flush() override {
    try {
      sink_.flush();
    } catch (const std::exception&) {  // counted when a line is written
    }
  }

 private:
  spdlog::sinks::rotating_file_sink_st sink_;
};

class ToFunction final : public LogOutput {
 public:
  explicit ToFunction(std::function<void(std::string_view)> function)
      : function_(std::move(function)) {}
  bool Write(std::string_view line) override {
    function_(line);
    return true;
  }

 private:
  std::function<void(std::string_view)> function_;
};

}  // namespace

std::unique_ptr<LogOutput> DescriptorOutput(int descriptor, int patience_ms) {
  return std::make_unique<ToDescriptor>(descriptor, patience_ms);
}

base::Result<std::unique_ptr<LogOutput>> FileOutput(const std::string& path, uint64_t bytes_max,
                                                    unsigned files_max) {
  if (bytes_max == 0 || files_max == 0) {
    return base::Fail(base::ErrorCode::kInvalidArgument,
                      "the log's file must hold at least a byte, and there must be one");
  }
  try {
    return std::unique_ptr<LogOutput>(std::make_unique<ToFile>(path, bytes_max, files_max));
  } catch (const std::exception& error) {
    return base::Fail(base::ErrorCode::kIo, "the log " + path + ": " + error.what());
  }
}

std::unique_ptr<LogOutput> FunctionOutput(std::function<void(std::string_view)> function) {
  return std::make_unique<ToFunction>(std::move(function));
}

}  // namespace weir::observe
