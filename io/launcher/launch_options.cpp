#include "io/launcher/launch_options.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <unistd.h>

namespace assay::launcher {

namespace {

constexpr int own_trouble = 125;

constexpr std::string_view usage =
    "assay-launch runs a program in a sandbox; assay calls it.\n"
    "  assay-launch [options] -- program [arguments]\n"
    "  --bwrap PATH      bubblewrap; default /usr/bin/bwrap\n"
    "  --uid N           the user that root becomes first; root has to name one\n"
    "  --cpu-ms N, --wall-ms N, --memory BYTES, --processes N, --file-bytes N, --disk-bytes N\n"
    "  --read SOURCE DEST    shows a file or folder, read-only\n"
    "  --env NAME=VALUE      a variable of the program\n";

class words_reader {
public:
  words_reader(int count, char** words) : count_(count), words_(words) {}

  bool more() const { return at_ < count_; }
  std::string next(const std::string& after) {
    if (!more())
      give_up(after + " needs a value");
    return words_[at_++];
  }
  uint64_t number(const std::string& after) {
    const auto text = next(after);
    uint64_t out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc{} || end != text.data() + text.size())
      give_up(after + " needs a whole number, not \"" + text + "\"");
    return out;
  }

private:
  int count_;
  char** words_;
  int at_ = 1;
};

} // namespace

void give_up(const std::string& text) {
  const auto line = "assay-launch: " + text + "\n";
  // Nobody is left to tell when this fails.
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
  std::_Exit(own_trouble);
}

void give_up_errno(const std::string& text) { give_up(text + ": " + std::strerror(errno)); }

launch_options parse_options(int count, char** words) {
  launch_options out;
  words_reader reader(count, words);
  while (reader.more()) {
    const auto word = reader.next("");
    if (word == "--") {
      while (reader.more())
        out.command.push_back(reader.next(""));
    } else if (word == "--inside")
      out.inside = true;
    else if (word == "--bwrap")
      out.bwrap = reader.next(word);
    else if (word == "--uid")
      out.uid = static_cast<unsigned>(reader.number(word));
    else if (word == "--cpu-ms")
      out.cpu_ms = reader.number(word);
    else if (word == "--wall-ms")
      out.wall_ms = reader.number(word);
    else if (word == "--memory")
      out.memory_bytes = reader.number(word);
    else if (word == "--processes")
      out.processes = reader.number(word);
    else if (word == "--file-bytes")
      out.file_bytes = reader.number(word);
    else if (word == "--disk-bytes")
      out.disk_bytes = reader.number(word);
    else if (word == "--read") {
      auto source = reader.next(word);
      out.read.emplace_back(std::move(source), reader.next(word));
    } else if (word == "--env")
      out.environment.push_back(reader.next(word));
    else
      give_up("unknown option \"" + word + "\"\n" + std::string(usage));
  }
  if (out.command.empty())
    give_up("there is no program to run\n" + std::string(usage));
  return out;
}

std::vector<std::string> limit_words(const launch_options& options) {
  std::vector<std::string> out;
  const auto add = [&out](const char* word, uint64_t value) {
    out.emplace_back(word);
    out.push_back(std::to_string(value));
  };
  add("--cpu-ms", options.cpu_ms);
  add("--wall-ms", options.wall_ms);
  add("--memory", options.memory_bytes);
  add("--processes", options.processes);
  add("--file-bytes", options.file_bytes);
  return out;
}

} // namespace assay::launcher
