<?php
// The front controller: every permalink is in REQUEST_URI.
header('Content-Type: text/plain');
if (isset($_FILES['async-upload'])) {
    $file = $_FILES['async-upload'];
    echo 'upload ', $file['name'], ' ', $file['size'], ' ', hash_file('sha256', $file['tmp_name']), "\n";
    return;
}
$keys = ['REQUEST_METHOD', 'REQUEST_URI', 'SCRIPT_NAME', 'PHP_SELF', 'PATH_INFO', 'QUERY_STRING', 'REDIRECT_URL',
         'REDIRECT_STATUS', 'HTTP_AUTHORIZATION', 'HTTP_PROXY', 'PHP_AUTH_USER'];
foreach ($keys as $key) {
    echo "$key=", $_SERVER[$key] ?? '-', "\n";
}
echo 'file ', substr($_SERVER['SCRIPT_FILENAME'], strlen($_SERVER['DOCUMENT_ROOT'])), "\n";
