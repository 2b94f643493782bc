# One function a kind of target, so that every folder's CMakeLists.txt is a line or two.

add_library(sallyport_options INTERFACE)
target_include_directories(sallyport_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(sallyport_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fno-omit-frame-pointer)
target_compile_definitions(sallyport_options INTERFACE SALLYPORT_VERSION="${PROJECT_VERSION}"
    BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    # Boost 1.81's MPL casts out-of-range enumerators, which clang >= 16 rejects by default.
    target_compile_options(sallyport_options INTERFACE -Wno-enum-constexpr-conversion)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # At -O3 GCC 12 sees overlapping copies in std::string that are not there (its bug 105651).
    target_compile_options(sallyport_options INTERFACE -Wno-restrict)
endif()
if(SALLYPORT_SANITIZE)
    target_compile_options(sallyport_options INTERFACE -fsanitize=${SALLYPORT_SANITIZE} -g1
        -fno-sanitize-recover=all)
    target_link_options(sallyport_options INTERFACE -fsanitize=${SALLYPORT_SANITIZE})
endif()

# sallyport_library(<name> [LINK <targets…>]): a static library of every .cpp in this folder,
# headers included as "<path from the top>". Its target is sallyport::<name>.
function(sallyport_library name)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp)
    list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
    if(NOT sources)
        add_library(sallyport_${name} INTERFACE)
        target_link_libraries(sallyport_${name} INTERFACE sallyport_options ${ARG_LINK})
    else()
        add_library(sallyport_${name} STATIC ${sources})
        target_link_libraries(sallyport_${name} PUBLIC sallyport_options ${ARG_LINK})
    endif()
    add_library(sallyport::${name} ALIAS sallyport_${name})
endfunction()

# sallyport_program(<name> LINK <targets…>): an executable of this folder's main.cpp.
function(sallyport_program name)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/main.cpp)
        return()
    endif()
    add_executable(${name} main.cpp)
    target_link_libraries(${name} PRIVATE sallyport_options ${ARG_LINK})
endfunction()

# sallyport_unit_test(<folder> LINK <targets…>): tests/unit/<folder>/*.cpp as one GoogleTest program.
function(sallyport_unit_test folder)
    cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
    if(NOT sources)
        return()
    endif()
    string(REPLACE "/" "_" target "unit_${folder}")
    add_executable(${target} ${sources})
    target_link_libraries(${target} PRIVATE sallyport_options GTest::gtest GTest::gtest_main ${ARG_LINK})
    add_test(NAME ${target} COMMAND ${target})
endfunction()
