#include "observe/symbols.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace weir::observe {
namespace {

struct Module {
  std::string path;
  uintptr_t bias = 0;  // what was added to the addresses of the file
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
};

std::vector<Module> LoadedModules() {
  std::vector<Module> modules;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        // The program itself comes first, without a name.
        Module module{
            info->dlpi_name[0] == '\0' ? "/proc/self/exe" : info->dlpi_name, info->dlpi_addr, {}};
        for (const auto& header : std::span(info->dlpi_phdr, info->dlpi_phnum)) {
          if (header.p_type != PT_LOAD) continue;
          const uintptr_t from = info->dlpi_addr + header.p_vaddr;
          module.ranges.emplace_back(from, from + header.p_memsz);
        }
        static_cast<std::vector<Module>*>(out)->push_back(std::move(module));
        return 0;
      },
      &modules);
  return modules;
}

// A file mapped to be read. Empty if it cannot be.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    struct stat status {};
    if (fstat(descriptor, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<size_t>(status.st_size);
      void* at = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (at != MAP_FAILED) data_ = static_cast<const char*>(at);
    }
    close(descriptor);
  }
  ~MappedFile() {
    if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // `count` values of T at `at`; empty if the file does not hold them all.
  template <class T>
  std::span<const T> At(uint64_t at, uint64_t count) const {
    if (data_ == nullptr || at > size_ || count > (size_ - at) / sizeof(T)) return {};
    return {reinterpret_cast<const T*>(data_ + at), count};
  }

 private:
  const char* data_ = nullptr;
  size_t size_ = 0;
};

class SymbolTable {
 public:
  explicit SymbolTable(const std::string& path) : file_(path) {
    const auto header = file_.At<ElfW(Ehdr)>(0, 1);
    if (header.empty() ||
        std::string_view(reinterpret_cast<const char*>(header[0].e_ident), SELFMAG) != ELFMAG) {
      return;
    }
    const auto sections = file_.At<ElfW(Shdr)>(header[0].e_shoff, header[0].e_shnum);
    // The full table where the file is not stripped, else that of exported functions.
    if (!Load(sections, SHT_SYMTAB)) Load(sections, SHT_DYNSYM);
    std::ranges::sort(functions_, {}, &Function::from);
  }

  std::string_view Find(uintptr_t address) const {
    const auto after = std::ranges::upper_bound(functions_, address, {}, &Function::from);
    if (after == functions_.begin()) return {};
    const Function& function = *(after - 1);
    if (address - function.from >= std::max<uint64_t>(function.size, 1)) return {};
    const std::string_view rest(names_.data() + function.name, names_.size() - function.name);
    return rest.substr(0, rest.find('\0'));
  }

 private:
  struct Function {
    uintptr_t from;
    uint64_t size;
    uint32_t name;
  };

  bool Load(std::span<const ElfW(Shdr)> sections, uint32_t type) {
    for (const auto& section : sections) {
      if (section.sh_type != type || section.sh_link >= sections.size()) continue;
      const auto& strings = sections[section.sh_link];
      names_ = file_.At<char>(strings.sh_offset, strings.sh_size);
      const auto symbols =
          file_.At<ElfW(Sym)>(section.sh_offset, section.sh_size / sizeof(ElfW(Sym)));
      for (const auto& symbol : symbols) {
        const bool function = ELF64_ST_TYPE(symbol.st_info) == STT_FUNC;
        if (!function || symbol.st_value == 0 || symbol.st_name >= names_.size()) continue;
        functions_.push_back({symbol.st_value, symbol.st_size, symbol.st_name});
      }
      if (!functions_.empty()) return true;
    }
    return false;
  }

  MappedFile file_;
  std::span<const char> names_;
  std::vector<Function> functions_;
};

std::string Demangled(const std::string& name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

}  // namespace

std::vector<std::string> SymbolNames(const std::vector<uintptr_t>& addresses) {
  const std::vector<Module> modules = LoadedModules();
  std::vector<std::unique_ptr<SymbolTable>> tables(modules.size());
  std::vector<std::string> names;
  names.reserve(addresses.size());
  for (const uintptr_t address : addresses) {
    std::string& name = names.emplace_back();
    const auto holds = [address](const Module& module) {
      return std::ranges::any_of(module.ranges, [address](const auto& range) {
        return address >= range.first && address < range.second;
      });
    };
    const auto module = std::ranges::find_if(modules, holds);
    if (module == modules.end()) continue;
    auto& table = tables[static_cast<size_t>(module - modules.begin())];
    if (!table) table = std::make_unique<SymbolTable>(module->path);
    const std::string_view found = table->Find(address - module->bias);
    if (!found.empty()) name = Demangled(std::string(found));
  }
  return names;
}

}  // namespace weir::observe
