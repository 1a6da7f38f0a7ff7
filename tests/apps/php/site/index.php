<?php
// The front controller of the site: what a request is about is in its path.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$name = basename($path);
$words = explode('/', trim($path, '/'));
if ($words[0] === 'streamed') {
    array_shift($words);
}

switch ($words[0]) {
    case 'env':
        header('Content-Type: text/plain');
        foreach (['REQUEST_METHOD', 'QUERY_STRING', 'REQUEST_URI', 'SCRIPT_NAME', 'DOCUMENT_URI', 'SERVER_PROTOCOL',
                  'CONTENT_TYPE', 'CONTENT_LENGTH', 'HTTP_X_TEST', 'REQUEST_SCHEME'] as $key) {
            echo "$key=", $_SERVER[$key] ?? '-', "\n";
        }
        break;
    case 'form':
        header('Content-Type: application/json');
        echo json_encode(['get' => $_GET, 'post' => $_POST, 'cookies' => $_COOKIE]);
        break;
    case 'upload':
        $content = file_get_contents('php://input');
        header('Content-Type: text/plain');
        echo $_SERVER['REQUEST_METHOD'], ' ', strlen($content), ' ', hash('sha256', $content), "\n";
        break;
    case 'file':
        header('Content-Type: text/plain');
        foreach ($_FILES as $field => $file) {
            echo "$field ", $file['name'], ' ', $file['size'], ' ', hash_file('sha256', $file['tmp_name']), "\n";
        }
        break;
    case 'pieces':
        header('Content-Type: text/plain');
        for ($piece = 1; $piece <= 3; $piece++) {
            echo "piece $piece\n";
            ob_get_level() && ob_flush();
            flush();
            usleep(300000);
        }
        break;
    case 'large':
        header('Content-Type: application/octet-stream');
        for ($block = 0; $block < 320; $block++) {
            echo str_repeat(chr($block % 251), 65536);
        }
        break;
    case 'status':
        http_response_code((int) $name);
        echo "status $name\n";
        break;
    case 'away':
        header('Location: /env?from=away');
        setcookie('seen', 'yes');
        break;
    case 'warn':
        error_log('something is worth a line');
        echo "warned\n";
        break;
    case 'fatal':
        no_such_function();
        break;
    default:
        echo "front $path?", $_SERVER['QUERY_STRING'], "\n";
}
