#pragma once

#include "core/tasks/data_places.hpp"
#include "core/tasks/promptfoo/values.hpp"

#include <filesystem>
#include <string>
#include <vector>

// For the files of this folder only.
namespace assay::tasks::promptfoo {

/// The files that a test file names with `file://` or by their paths, relative to it.
class named_files {
public:
  named_files(std::filesystem::path file, std::filesystem::path root, data_places places,
              std::vector<fault>& faults)
      : file_(std::move(file)), root_(std::move(root)), places_(std::move(places)), faults_(&faults) {}

  const std::filesystem::path& file() const noexcept { return file_; }

  /// @returns the value in a .json, .yaml or .yml file, else the file's text; null after a complaint.
  ordered value(const std::string& name, const std::string& path, int line);
  /// @returns the file's text; empty after a complaint.
  std::string text(const std::string& name, const std::string& path, int line);
  /// @returns the tests of a file: YAML, JSON, or a table with one column for each variable.
  std::vector<ordered> tests(const std::string& name, const std::string& path, int line);

  void complain(int line, const std::string& path, std::string message, std::string hint = {},
                errc code = errc::invalid_argument);

private:
  std::optional<std::filesystem::path> find(const std::string& name, const std::string& path, int line);

  std::filesystem::path file_;
  std::filesystem::path root_;
  data_places places_;
  std::vector<fault>* faults_;
};

/// One prompt: a text, or a conversation.
struct prompt {
  std::string name;
  std::string text; ///< The user's message, when there is no conversation.
  std::vector<std::pair<std::string, std::string>> messages; ///< Roles and contents.
};

/// Reads `prompts:`. Names are labels, or `prompt_1`, ...; unique.
std::vector<prompt> read_prompts(const ordered& list, int line, named_files& files);

/// Makes @p out a list of {role, content}. Fails as variable_text does.
std::optional<fault> render_messages(const prompt& from, const ordered& variables, const std::string& prefix,
                                     const std::string& suffix, ordered& out);

} // namespace assay::tasks::promptfoo
