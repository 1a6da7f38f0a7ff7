<?php
header('Location: /wp-admin/?from=' . urlencode($_POST['log'] ?? ''));
setcookie('wordpress_logged_in', 'yes', 0, '/');
